import json
import shutil

import numpy as np
import pytest

from xcgraph.errors import UserError
from xcgraph.nn.fusion import MeanFusion
from xcgraph.runs.reopen import reopen, view_shares
from xcgraph.runs.run import Validation

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def fitted(toy, tmp_path_factory):
    """A trained model, its recipe and the folder of its run."""
    root = tmp_path_factory.mktemp("reopen")
    recipe = toy.recipe()
    work = toy.workspace(root / "artifacts")
    model = recipe.fit(work)
    for name, artifact in work.store.used.items():
        artifact.link_into(root / "run" / "stages" / name)
    shutil.rmtree(root / "artifacts")
    return model, recipe, root / "run"


def open_again(toy, recipe, folder, **changes):
    how = {"data": toy.data, "seed": 0, **changes}
    return reopen(folder, recipe, Validation(fraction=0.2), **how)


def test_reopened_model_gives_identical_scores(toy, fitted):
    model, recipe, folder = fitted
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}

    again = open_again(toy, recipe, folder)

    features = toy.data.test.features
    np.testing.assert_array_equal(again.score(features).toarray(), model.score(features).toarray())
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_view_shares_are_attention_weights(fitted):
    model, _, _ = fitted

    shares = view_shares(model, [3, 0, 17])

    assert list(shares) == ["text", "graph", "refinement"]
    np.testing.assert_allclose(np.sum(list(shares.values()), axis=0), 1, rtol=1e-5)
    assert len({tuple(found) for found in shares.values()}) == 3


def test_fusion_without_weights_has_no_view_shares(toy, tmp_path):
    recipe = toy.recipe(network=toy.network(fusion=MeanFusion))

    assert view_shares(recipe.fit(toy.workspace(tmp_path)), [0]) == {}


@pytest.mark.parametrize("damage", ["missing", "cut", "other seed", "other recipe"])
def test_damaged_or_foreign_stage_is_refused(toy, fitted, tmp_path, damage):
    _, recipe, folder = fitted
    copy = tmp_path / "run"
    shutil.copytree(folder, copy)
    stage = copy / "stages" / "surrogate"
    if damage == "missing":
        shutil.rmtree(stage)
    elif damage == "cut":
        (stage / "curves.csv").write_text("epoch")
    seed = 1 if damage == "other seed" else 0
    if damage == "other recipe":
        recipe = toy.recipe(num_trees=1, network=toy.network(label_dropout=0.5))

    with pytest.raises(UserError, match=r"expected (a finished stage|the stage of this run), found"):
        open_again(toy, recipe, copy, seed=seed)
    assert not list(copy.rglob("*.partial"))


def test_invalid_manifest_is_refused(toy, fitted, tmp_path):
    _, recipe, folder = fitted
    copy = tmp_path / "run"
    shutil.copytree(folder, copy)
    for content in ("[]", "{", json.dumps({"files": 3})):
        (copy / "stages" / "graph-surrogate" / "manifest.json").unlink()
        (copy / "stages" / "graph-surrogate" / "manifest.json").write_text(content)
        with pytest.raises(UserError, match="graph-surrogate: expected a finished stage"):
            open_again(toy, recipe, copy)
