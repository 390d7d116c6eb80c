"""RAMEN's regularizers in ECLARE's Module I, instead of its graph convolution."""

from dataclasses import replace

import numpy as np
import pytest

from xcgraph.errors import UserError
from xcgraph.metrics.evaluate import evaluate_scores
from xcgraph.nn.label_graph import Propagation
from xcgraph.recipes.anchors import NoAnchors
from xcgraph.tasks.regularized_task import RegularizedTask
from xcgraph.training.checkpoints import load_tensors, save_tensors
from xcgraph.training.stage import CURVES, WEIGHTS, Stage

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # Lightning's advice


def make_recipe(toy, **changes):
    tasks = toy.network(propagation=Propagation(hops=0))
    plain = toy.recipe(network=tasks, anchors=toy.ramen().anchors, regularizer=toy.regularization())
    return replace(plain, **changes)


def weights_of(work):
    return load_tensors(work.store.used["surrogate"].path(WEIGHTS))


@pytest.fixture(scope="module")
def undisturbed(toy, tmp_path_factory):
    work = toy.workspace(tmp_path_factory.mktemp("undisturbed"))
    return work, make_recipe(toy).fit(work).score(toy.data.test.features)


def test_end_to_end(toy, undisturbed):
    work, scores = undisturbed
    assert evaluate_scores(scores, toy.data.test, inverse_propensity=None)["P@1"] > 0.3
    pruned = weights_of(work)["regularizer.of_points.0.edges.drawable_before"]
    assert pruned[-1] < len(pruned) - 1


def test_regularizer_changes_module_one_and_all_later_stages(toy, undisturbed, tmp_path):
    plain = toy.workspace(tmp_path)
    toy.recipe(network=toy.network(propagation=Propagation(hops=0))).fit(plain)
    keys = [{name: found.key for name, found in work.store.used.items()} for work in (plain, undisturbed[0])]
    assert keys[1].keys() - keys[0].keys() == {"anchor-graph"}
    assert {name for name in keys[0] if keys[0][name] == keys[1][name]} == {
        "graph-surrogate",
        "clusters-surrogate",
    }


def test_regularizer_without_anchors_is_refused(toy):
    with pytest.raises(UserError, match="needs anchors: choose some with anchors="):
        make_recipe(toy, anchors=NoAnchors()).check(40)


def test_key_of_module_one_depends_on_the_regularizer(toy, tmp_path, monkeypatch):
    def fit(self, task, points, metrics, *, folder, title, seed, listener):  # noqa: ARG001
        save_tensors(folder / WEIGHTS, task.state_dict())
        (folder / CURVES).write_text("epoch\n")

    monkeypatch.setattr(Stage, "fit", fit)
    keys = []
    for graphs in (["points", "labels"], ["points"]):
        work = toy.workspace(tmp_path)
        make_recipe(toy, regularizer=toy.regularization(graphs=graphs)).fit(work)
        keys.append(work.store.used["surrogate"].key)
    assert keys[0] != keys[1]


@pytest.mark.parametrize(("method", "call"), [("training_step", 15), ("on_train_epoch_start", 2)])
def test_resumed_fit_equals_an_uninterrupted_one(toy, undisturbed, tmp_path, interrupter, method, call):
    interrupter.raise_in(RegularizedTask, method, call=call)
    with pytest.raises(Exception, match=f"RegularizedTask.{method}"):
        make_recipe(toy).fit(toy.workspace(tmp_path))
    interrupter.stop()
    work = toy.workspace(tmp_path)
    scores = make_recipe(toy).fit(work).score(toy.data.test.features)
    np.testing.assert_array_equal(scores.toarray(), undisturbed[1].toarray())
    found, expected = weights_of(work), weights_of(undisturbed[0])
    assert all((found[name] == tensor).all() for name, tensor in expected.items())
