"""The exported program ranks as the engine does, for any number of points, and without xcgraph."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array, random_array

from tests.fuzz.models import TOKENS, make_model
from xcgraph.cli import export
from xcgraph.errors import UserError
from xcgraph.predict import program as program_module
from xcgraph.predict.engine import Engine
from xcgraph.predict.folder import load_model, save_model
from xcgraph.predict.model import PortableModel
from xcgraph.predict.program import Program
from xcgraph.predict.program_file import PROGRAM, save_program

from .conftest import KINDS


def draw(points, tokens, seed=0):
    return csr_array(random_array((points, tokens), density=0.5, format="csr", dtype=np.float32, rng=seed))


def ask(program, rows):
    bags = (rows.indices.astype(np.int64), rows.data, rows.indptr[:-1].astype(np.int64))
    labels, scores = program(*map(torch.from_numpy, bags))
    return labels.detach().numpy(), scores.detach().numpy()


def assert_alike(program, model, rows):
    expected = Engine(model).top(rows, model.top_k)
    labels, scores = ask(program, rows)

    np.testing.assert_array_equal(labels, expected.labels)
    np.testing.assert_allclose(scores, expected.scores, atol=2e-6)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model of two trees, one of them without a ranker, with its program."""
    path = tmp_path_factory.mktemp("program") / "model"
    save_model(make_model(0), path, beside=[save_program])
    return path


@pytest.fixture(scope="module")
def loaded(folder):
    return torch.export.load(folder / PROGRAM).module()


@pytest.mark.parametrize("points", [0, 1, 2, 3, 7, 300])
def test_program_matches_engine_for_any_number_of_points(loaded, points):
    assert_alike(loaded, make_model(0), draw(points, TOKENS, seed=points))


@pytest.mark.parametrize("tokens", [[], [2]])
def test_program_matches_engine_for_short_texts(loaded, tokens):
    weights = np.ones(len(tokens), np.float32)
    rows = csr_array((weights, tokens, [0, len(tokens)]), shape=(1, TOKENS))

    assert_alike(loaded, make_model(0), rows)


def test_loading_a_model_ignores_its_program(folder):
    assert {path.name for path in folder.iterdir()} >= {"model.json", "weights.safetensors", PROGRAM}
    (folder / PROGRAM).rename(folder / "moved")
    (folder / PROGRAM).write_bytes(b"no program")
    assert len(load_model(folder).trees) == 2
    (folder / "moved").replace(folder / PROGRAM)


def test_program_runs_without_xcgraph(folder):
    script = (
        "import sys, torch; program = torch.export.load(sys.argv[1]).module(); "
        "labels, _ = program(torch.tensor([0, 3]), torch.ones(2), torch.tensor([0])); "
        "assert not [name for name in sys.modules if name.partition('.')[0] == 'xcgraph']; "
        "print(labels.tolist())"
    )

    output = subprocess.check_output([sys.executable, "-c", script, str(folder / PROGRAM)], text=True)

    rows = csr_array((np.ones(2, np.float32), [0, 3], [0, 2]), shape=(1, TOKENS))
    model = make_model(0)
    assert output.strip() == str(Engine(model).top(rows, model.top_k).labels.tolist())


@pytest.mark.parametrize("kind", KINDS)
def test_program_of_every_recipe_matches_engine(kind, trained, toy):
    model = trained(kind)[1]
    labels, scores = ask(Program(model), toy.data.test.features)
    expected = Engine(model).top(toy.data.test.features, model.top_k)

    np.testing.assert_array_equal(labels[:, :5], expected.labels[:, :5])
    np.testing.assert_allclose(scores, expected.scores, atol=2e-6)
    assert (labels == expected.labels).mean() > 0.99  # labels with almost equal scores change places


def test_ties_go_to_the_smaller_label():
    model = make_model(0)

    def tied(scoring):
        vectors = np.zeros_like(scoring.vectors)
        return replace(scoring, vectors=vectors, graph=csr_array(np.eye(len(vectors), dtype=np.float32)))

    trees = [
        replace(tree, shortlister=tied(tree.shortlister), ranker=tree.ranker and tied(tree.ranker))
        for tree in model.trees
    ]
    for chosen in ((trees[0],), (trees[1],), tuple(trees)):
        equal = PortableModel(data="toy", trees=chosen)
        assert_alike(Program(equal), equal, draw(20, TOKENS))


def test_missing_labels_are_padded():
    model = make_model(0)
    (tree, _) = model.trees
    one = csr_array(([1.0], ([0], [4])), shape=tree.members.shape, dtype=np.float32)
    shortlister = replace(tree.shortlister, top_k=1, game_mix=0.0)
    few = replace(tree, shortlister=shortlister, members=one, ranker=replace(tree.ranker, game_mix=0.0))
    lonely = PortableModel(data="toy", trees=(few,))

    assert_alike(Program(lonely), lonely, draw(20, TOKENS))
    assert (ask(Program(lonely), draw(20, TOKENS))[0][:, 1:] == -1).all()


def test_graph_with_too_many_neighbours_is_refused(monkeypatch):
    monkeypatch.setattr(program_module, "_MAX_PADDED", 20)

    with pytest.raises(UserError, match=r"found \d entries in one of \d rows: export without --program"):
        Program(make_model(0))


def test_program_that_ranks_differently_is_not_written(tmp_path, monkeypatch):
    monkeypatch.setattr("xcgraph.predict.program_file.Engine", lambda _: Engine(make_model(1)))

    with pytest.raises(RuntimeError, match=r"program\.pt2 ranks other labels"):
        save_model(make_model(0), tmp_path / "model", beside=[save_program])
    assert not list(tmp_path.iterdir())


def test_export_writes_a_program_on_request(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("xcgraph.predict.from_run.portable_run", lambda *_: make_model(0, pieces=True))

    export.main(["run", "--out", str(tmp_path / "with"), "--program"])
    export.main(["run", "--out", str(tmp_path / "without")])

    assert "Written: " in capsys.readouterr().out
    assert (tmp_path / "with" / PROGRAM).exists()
    assert not (tmp_path / "without" / PROGRAM).exists()
