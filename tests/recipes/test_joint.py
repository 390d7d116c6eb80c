from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from pytorch_lightning import Trainer
from pytorch_lightning.callbacks import EMAWeightAveraging
from scipy.sparse import csr_array

from xcgraph.data.batching import WeightedLabelsDataset
from xcgraph.errors import UserError
from xcgraph.graph.game import expand_scores
from xcgraph.graph.random_walk import RandomWalkGraph
from xcgraph.metrics.evaluate import evaluate_scores
from xcgraph.nn.encoder import SumOfTokens
from xcgraph.nn.likelihood import Logistic
from xcgraph.nn.refinement import NoRefinement, RefinementVectors
from xcgraph.recipes.negatives import SharedNegatives
from xcgraph.recipes.points import (
    CooccurrenceLabelTexts,
    GraphLabelTexts,
    PropensityWeighted,
    TrainingPointsOnly,
)
from xcgraph.recipes.shortlists import unlabelled
from xcgraph.storage.npz import load_csr
from xcgraph.tasks.xc_task import XCTask
from xcgraph.training.checkpoints import load_tensors
from xcgraph.training.stage import WEIGHTS

from .test_eclare import change

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # Lightning's advice

NUM_STEPS = 13  # per epoch: 160 points and the texts of 40 labels in batches of 16


@pytest.fixture(scope="module")
def undisturbed(toy, tmp_path_factory):
    """A store with a trained task, and its scores of the test points."""
    work = toy.workspace(tmp_path_factory.mktemp("undisturbed"))
    return work, toy.joint().fit(work).score(toy.data.test.features).toarray()


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"points": TrainingPointsOnly()},
        {"negatives": SharedNegatives(num_negatives=8)},
        {"points": GraphLabelTexts()},
        {"points": CooccurrenceLabelTexts(num_labels=0)},
        {"points": PropensityWeighted(points=CooccurrenceLabelTexts(), propensity_a=0.55, propensity_b=1.5)},
        {"game_mix": 0.3},
        {"network.likelihood": Logistic()},
        {"network.refinement": NoRefinement},
        {"network.refinement": RefinementVectors},  # with sparse gradients
        {"network.propagation.hops": 0},
        {"network.encoder": partial(SumOfTokens, dim=32)},
    ],
    ids=str,
)
def test_end_to_end(toy, tmp_path, changes):
    recipe = toy.joint(stage=toy.stage(max_epochs=4))
    for path, value in changes.items():
        recipe = change(recipe, path, value)
    scores = recipe.fit(toy.workspace(tmp_path)).score(toy.data.test.features)
    assert scores.shape == (60, 40)
    assert np.diff(scores.indptr).tolist() == [10] * 60
    assert scores.data.min() >= 0
    metrics = evaluate_scores(scores, toy.data.test, inverse_propensity=None)
    assert metrics["P@1"] > 1.5 * (toy.data.test.labels.sum(axis=0) / 60).max()
    assert metrics["R@5"] > 0.5


def test_softmax_scores_of_a_point_sum_to_one(undisturbed):
    np.testing.assert_allclose(undisturbed[1].sum(axis=1), np.ones(60), rtol=1e-5)


def test_scores_rank_labels_by_inner_products_with_summed_views(toy, tmp_path):
    model = toy.joint().fit(toy.workspace(tmp_path))
    texts, labels, task = toy.data.test.features, toy.data.label_features, model.members[0].task
    table, free = (
        part.detach().numpy()
        for part in (task.encoder.embedding.weight, task.labels.refinement.vectors.weight)
    )
    graph = toy.joint().graph.build(
        toy.workspace(tmp_path).train.labels, None, toy.workspace(tmp_path).seed_for("graph")
    )
    shift = task.encoder.shift.detach().numpy()
    assert np.abs(shift).max() > 0.01
    products = (texts @ table + shift) @ ((labels @ table) + graph @ (labels @ table) + free).T
    best = np.argsort(-products, axis=1)[:, :1]
    found = model.score(texts).toarray()
    assert (found.argmax(axis=1)[:, None] == best).mean() > 0.95  # the task multiplies in bfloat16


def test_second_fit_loads_everything_and_gives_the_same_scores(toy, undisturbed, monkeypatch):
    work, expected = undisturbed
    monkeypatch.setattr(Trainer, "fit", lambda *_, **__: pytest.fail("It is stored."))
    model = toy.joint().fit(toy.workspace(work.store.root))
    np.testing.assert_array_equal(model.score(toy.data.test.features).toarray(), expected)


@pytest.mark.parametrize(
    ("owner", "method", "call"),
    [
        (RandomWalkGraph, "build", 1),
        (XCTask, "training_step", 4),
        (XCTask, "training_step", NUM_STEPS + 6),
        (XCTask, "validation_step", 3),
    ],
)
def test_resumed_fit_equals_an_uninterrupted_one(
    toy, undisturbed, tmp_path, interrupter, owner, method, call
):
    interrupter.raise_in(owner, method, call=call)
    with pytest.raises(Exception, match=f"{owner.__name__}.{method}"):
        toy.joint().fit(toy.workspace(tmp_path))
    interrupter.stop()
    model = toy.joint().fit(toy.workspace(tmp_path))
    np.testing.assert_array_equal(model.score(toy.data.test.features).toarray(), undisturbed[1])


def test_weight_averaging_callback_survives_a_resume(toy, undisturbed, tmp_path, interrupter):
    average = partial(EMAWeightAveraging, use_buffers=False, decay=0.9, update_every_n_steps=2)
    recipe = toy.joint(stage=replace(toy.stage(), callbacks=(average,)))
    whole = recipe.fit(toy.workspace(tmp_path / "whole")).score(toy.data.test.features).toarray()
    assert not np.array_equal(whole, undisturbed[1])
    assert evaluate_scores(csr_array(whole), toy.data.test, inverse_propensity=None)["P@1"] > 0.3
    interrupter.raise_in(XCTask, "training_step", call=NUM_STEPS + 6)
    with pytest.raises(Exception, match=r"XCTask\.training_step"):
        recipe.fit(toy.workspace(tmp_path / "killed"))
    interrupter.stop()
    model = recipe.fit(toy.workspace(tmp_path / "killed"))
    np.testing.assert_array_equal(model.score(toy.data.test.features).toarray(), whole)


@pytest.mark.parametrize(
    ("path", "value", "stages"),
    [
        ("top_k", 5, set()),
        ("stage.lr", 0.5, {"joint"}),
        ("points", TrainingPointsOnly(), {"joint"}),
        ("negatives", SharedNegatives(), {"joint"}),
        ("network.likelihood", Logistic(), {"joint"}),
        ("graph.walk_length", 41, {"graph", "joint"}),
    ],
)
def test_changed_setting_rebuilds_only_dependent_stages(toy, undisturbed, tmp_path, path, value, stages):
    del tmp_path
    work = toy.workspace(undisturbed[0].store.root)
    before = {name: artifact.key for name, artifact in undisturbed[0].store.used.items()}
    change(toy.joint(), path, value).fit(work)
    after = {name: artifact.key for name, artifact in work.store.used.items()}
    assert {name for name in after if after[name] != before[name]} == stages


def test_ensemble_averages_models_and_the_first_equals_a_single_model(toy, undisturbed, tmp_path):
    work = toy.workspace(tmp_path)
    model = toy.joint(num_models=2).fit(work)
    assert work.store.used.keys() == {"graph", "joint", "joint-1"}
    assert toy.joint(num_models=2).epochs() == {"joint": 3, "joint-1": 3}
    features = toy.data.test.features
    first, second = (member.score(features).toarray() for member in model.members)
    np.testing.assert_array_equal(first, undisturbed[1])
    assert not np.array_equal(first, second)
    found, mean = model.score(features).toarray(), (first + second) / 2
    np.testing.assert_allclose(found[found > 0], mean[found > 0], rtol=1e-6)


def test_game_mix_expands_the_scores(toy, undisturbed):
    work = toy.workspace(undisturbed[0].store.root)
    model = toy.joint(game_mix=0.3).fit(work)
    plain = csr_array(undisturbed[1])
    expected = expand_scores(plain, load_csr(work.store.used["graph"].path("matrix.npz")), 0.3, 10)
    found = model.score(toy.data.test.features)
    np.testing.assert_allclose(found.toarray(), expected.toarray(), rtol=1e-6)


def test_regularizers_link_label_texts_to_anchors(toy, undisturbed, tmp_path):
    work = toy.workspace(tmp_path)
    recipe = toy.joint(anchors=toy.ramen().anchors, regularizer=toy.regularization())
    scores = recipe.fit(work).score(toy.data.test.features)
    assert evaluate_scores(scores, toy.data.test, inverse_propensity=None)["P@1"] > 0.3
    assert not np.array_equal(scores.toarray(), undisturbed[1])
    weights = load_tensors(work.store.used["joint"].path(WEIGHTS))
    (anchors,) = recipe.anchors.find(work)
    edges = weights["regularizer.of_points.0.edges.drawable_before"]
    assert len(edges) == anchors.points.nnz + anchors.labels.nnz + 1


def test_values_out_of_range(toy):
    with pytest.raises(UserError, match=r"recipe\.top_k must be ≥ 1, got 0"):
        toy.joint(top_k=0)
    with pytest.raises(UserError, match=r"recipe\.num_models must be ≥ 1, got 0"):
        toy.joint(num_models=0)
    with pytest.raises(UserError, match=r"recipe\.game_mix must lie in \[0, 1\], got 1\.5"):
        toy.joint(game_mix=1.5)
    with pytest.raises(UserError, match="needs anchors: choose some with anchors="):
        toy.joint(regularizer=toy.regularization()).check(40)
    network = replace(toy.joint().network, own_text=False, refinement=NoRefinement)
    viewless = toy.joint(network=change(network, "propagation.hops", 0))
    with pytest.raises(UserError, match=r"own_text=true, hops ≥ 1 or refinement"):
        viewless.check(40)


def test_points_without_labels_have_zero_loss(toy, tmp_path):
    work = toy.workspace(tmp_path)
    task = toy.joint().fit(work).members[0].task
    batch = WeightedLabelsDataset(unlabelled(work.train.features, work.num_labels))[np.arange(16)]
    assert task.likelihood.loss(task(batch), batch.positives, batch.relevance) == 0
