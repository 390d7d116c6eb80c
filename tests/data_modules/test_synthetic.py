import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from scipy.sparse import vstack

from data_modules.planted import PlantedTopics, Sizes
from data_modules.synthetic import Synthetic
from xcgraph.errors import UserError
from xcgraph.metrics.evaluate import evaluate_scores
from xcgraph.nn.encoder import BagOfTokens
from xcgraph.recipes.shortlister import ShortlisterConfig

SIZES = Sizes(
    train_points=2000,
    test_points=300,
    labels=200,
    tokens=600,
    topics=10,
    labels_per_point=2.5,
    tokens_per_point=10.0,
    tokens_per_label=6.0,
)
FILES = ["lbl_X_Xf.txt", "trn_X_Xf.txt", "trn_X_Y.txt", "tst_X_Xf.txt", "tst_X_Y.txt"]


def make(cache, *, seed=0, **changes):
    return Synthetic(
        name="synthetic",
        propensity_a=0.55,
        propensity_b=1.5,
        sizes=replace(SIZES, **changes),
        seed=seed,
        cache=str(cache),
    )


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return make(tmp_path_factory.mktemp("cache")).read()


def test_read_returns_the_planted_data(data):
    planted = PlantedTopics(SIZES, 0)
    assert data.name == "synthetic"
    for split, points in ((data.train, planted.train_points()), (data.test, planted.test_points())):
        features, labels = (vstack(parts, format="csr") for parts in zip(*points, strict=True))
        assert split.features.shape == features.shape
        assert split.labels.shape == labels.shape
        assert (split.features != features).nnz == 0
        assert (split.labels != labels).nnz == 0
        assert len(split.filter_pairs) == 0
    texts = vstack(list(planted.label_texts()), format="csr")
    assert (data.label_features != texts).nnz == 0


def test_files_have_the_split_format_and_are_written_once(tmp_path):
    module = make(tmp_path)
    module.read()
    (folder,) = tmp_path.glob("synthetic-*")
    assert sorted(path.name for path in folder.glob("*.txt")) == FILES
    assert (folder / "trn_X_Y.txt").read_text().splitlines()[0] == "2000 200"
    before = (folder / "trn_X_Y.txt").stat().st_mtime_ns
    module.read()
    assert (folder / "trn_X_Y.txt").stat().st_mtime_ns == before


def test_data_depends_on_seed_and_sizes(tmp_path):
    names = {make(tmp_path, **change).read().fingerprint for change in ({}, {"seed": 1}, {"tokens": 601})}
    assert len(names) == 3


def hashes(folder):
    return [hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in FILES]


def test_files_are_equal_in_every_process_with_any_number_of_threads(tmp_path):
    script = (
        "import sys; from pathlib import Path; from data_modules.planted import Sizes; "
        "from data_modules.synthetic import Synthetic; "
        f"Synthetic(name='x', propensity_a=0.55, propensity_b=1.5, sizes={SIZES!r}, seed=0, cache='.')"
        ".write(Path(sys.argv[1]))"
    )
    (tmp_path / "here").mkdir()
    make(tmp_path).write(tmp_path / "here")
    (tmp_path / "there").mkdir()
    environment = {**os.environ, "OMP_NUM_THREADS": "3", "NUMBA_NUM_THREADS": "3"}
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "there")], check=True, env=environment)
    assert hashes(tmp_path / "there") == hashes(tmp_path / "here")


@pytest.mark.usefixtures("one_thread")
def test_recipe_learns_the_planted_structure(data, toy, tmp_path):
    """A few seconds of training give much better results than predicting the most frequent label."""
    work = toy.workspace(tmp_path, data=data)
    stage = toy.stage(max_epochs=4, batch_size=100, lr=0.04)
    recipe = toy.recipe(
        network=toy.network(encoder=partial(BagOfTokens, dim=32)),
        shortlister=ShortlisterConfig(num_meta_labels=64, num_neighbors=5, beam_size=16),
        stages=replace(toy.recipe().stages, surrogate=stage, shortlister=stage, ranker=stage),
    )
    scores = recipe.fit(work).score(data.test.features)
    found = evaluate_scores(scores, data.test, inverse_propensity=work.inverse_propensity)
    frequency = np.asarray(data.train.labels.sum(axis=0)).ravel() / len(data.train)
    assert found["P@1"] > 4 * frequency.max()
    assert found["P@1"] > 0.5


def test_negative_seed_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"data\.seed must be ≥ 0, got -1"):
        make(tmp_path, seed=-1)
