"""Negatives in the joint recipe."""

from functools import partial

import numpy as np
import pytest
import torch

from xcgraph.errors import UserError
from xcgraph.nn.likelihood import Logistic, Softmax
from xcgraph.nn.refinement import ZeroRefinementVectors
from xcgraph.recipes.negatives import AllLabels, AutoNegatives, SharedNegatives, UnweightedNegatives
from xcgraph.recipes.sizes import DataSizes
from xcgraph.storage.artifacts import content_key
from xcgraph.tasks.xc_task import XCTask

from .test_eclare import change

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # Lightning's advice

ROWS = np.arange(0, 240, 7)  # of training points, followed by label texts


def shared(toy, **changes):
    """The joint recipe with negatives that the points of a batch share."""
    recipe = toy.joint(negatives=SharedNegatives(num_negatives=8), **changes)
    return change(recipe, "network.refinement", partial(ZeroRefinementVectors, sparse_gradients=True))


@pytest.fixture(scope="module")
def undisturbed(toy, tmp_path_factory):
    """Scores of the test points after an uninterrupted training."""
    return scores(toy, tmp_path_factory.mktemp("undisturbed"))


def scores(toy, folder, **changes):
    return shared(toy).fit(toy.workspace(folder, **changes)).score(toy.data.test.features).toarray()


def gradients(toy, targets, likelihood):
    """Return the loss of a batch, and its gradient for every weight."""
    torch.manual_seed(0)
    task = change(toy.joint(), "network.likelihood", likelihood).network.build(toy.labels, 0.05).eval()
    torch.nn.init.normal_(task.labels.refinement.vectors.weight)
    loss = task.training_step(targets[ROWS])
    loss.backward()
    return loss, {name: weight.grad for name, weight in task.named_parameters()}


@pytest.mark.parametrize("likelihood", [Softmax(), Logistic()])
@pytest.mark.parametrize("kind", [SharedNegatives, UnweightedNegatives])
def test_shared_negatives_of_all_labels_equal_all_labels(toy, kind, likelihood):
    points = toy.joint().points.select(toy.data.train, toy.data.label_features, toy.graph)
    loss, found = gradients(toy, kind(num_negatives=40).make_batches(points, 0), likelihood)
    exact, expected = gradients(toy, AllLabels().make_batches(points, 0), likelihood)
    torch.testing.assert_close(loss, exact)
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-4, atol=1e-6)


def test_scores_of_shared_labels_equal_their_scores_among_all_labels(toy):
    task = toy.joint().network.build(toy.labels, 0.05).eval()
    batch, full = (
        negatives.make_batches(toy.data.train, 0)[ROWS[:9]]
        for negatives in (SharedNegatives(num_negatives=8), AllLabels())
    )
    assert len(batch.label_ids) < 40
    torch.testing.assert_close(task(batch), task(full)[:, batch.label_ids], rtol=1e-4, atol=1e-5)


def test_only_shared_labels_get_gradients_of_free_vectors(toy):
    task = shared(toy).network.build(toy.labels, 0.05)
    batch = SharedNegatives(num_negatives=8).make_batches(toy.data.train, 0)[ROWS[:9]]
    task.training_step(batch).backward()
    gradient = task.labels.refinement.vectors.weight.grad
    assert gradient.is_sparse
    assert torch.equal(gradient.coalesce().indices()[0], batch.label_ids)


@pytest.mark.parametrize("call", [4, 19])  # in the first epoch, and in the second
def test_resumed_fit_equals_an_uninterrupted_one(toy, undisturbed, tmp_path, interrupter, call):
    interrupter.raise_in(XCTask, "training_step", call=call)
    with pytest.raises(Exception, match=r"XCTask\.training_step"):
        scores(toy, tmp_path)
    interrupter.stop()
    np.testing.assert_array_equal(scores(toy, tmp_path), undisturbed)


def test_negatives_depend_on_the_seed_of_the_run(toy, tmp_path):
    def ids(seed):
        drawn = toy.workspace(tmp_path, seed=seed).seed_for("negatives")
        return (
            SharedNegatives(num_negatives=8).make_batches(toy.data.train, drawn)[ROWS[:5]].label_ids.tolist()
        )

    assert ids(0) == ids(0)
    assert ids(0) != ids(1)


def test_num_negatives_must_be_positive():
    with pytest.raises(UserError, match=r"negatives\.num_negatives must be ≥ 1, got 0"):
        SharedNegatives(num_negatives=0)


# --- the size of the data decides ------------------------------------------------------------------------


def auto(toy, sparse_gradients=None, **settings):
    recipe = toy.joint(negatives=AutoNegatives(**settings))
    refinement = partial(ZeroRefinementVectors, sparse_gradients=sparse_gradients)
    return change(recipe, "network.refinement", refinement)


def sized(recipe, num_labels=40):
    return recipe.sized(DataSizes(num_points=160, num_labels=num_labels))


def test_default_limit_takes_all_labels_of_wordnet_and_a_sample_of_35290():
    assert AutoNegatives().choose(8_436, 512)[0] == AutoNegatives().choose(8_436, 1_024)[0] == AllLabels()
    assert AutoNegatives().choose(35_290, 512)[0] == SharedNegatives()


@pytest.mark.parametrize("sparse_gradients", [None, False, True])
def test_auto_negatives_equal_the_explicit_choice(toy, sparse_gradients):
    step = 40 * toy.joint().stage.batch_size
    explicit = {True: SharedNegatives(num_negatives=8), False: AllLabels()}
    for is_sampled, negatives in explicit.items():
        recipe, changes = sized(auto(toy, sparse_gradients, max_scores=step - is_sampled, num_negatives=8))

        is_sparse = is_sampled if sparse_gradients is None else sparse_gradients
        refinement = partial(ZeroRefinementVectors, sparse_gradients=is_sparse)
        expected = change(toy.joint(negatives=negatives), "network.refinement", refinement)
        assert content_key({"recipe": recipe}) == content_key({"recipe": expected})
        assert f"negatives auto → {'shared' if is_sampled else 'all'} (40 labels × " in changes[0]
        assert len(changes) == 1


def test_auto_negatives_train_like_the_explicit_choice(toy, undisturbed, tmp_path):
    recipe = auto(toy, max_scores=100, num_negatives=8)
    found = recipe.fit(toy.workspace(tmp_path)).score(toy.data.test.features).toarray()
    np.testing.assert_array_equal(found, undisturbed)


def test_number_of_negatives_and_predictions_is_lowered_to_the_labels(toy):
    recipe, changes = sized(shared(toy), num_labels=5)
    assert (recipe.negatives.num_negatives, recipe.top_k) == (5, 5)
    assert changes == ("recipe.top_k 10 → 5", "negatives.num_negatives 8 → 5")


@pytest.mark.parametrize("name", ["max_scores", "num_negatives"])
def test_auto_negatives_need_positive_settings(name):
    with pytest.raises(UserError, match=rf"negatives\.{name} must be ≥ 1, got 0"):
        AutoNegatives(**{name: 0})
