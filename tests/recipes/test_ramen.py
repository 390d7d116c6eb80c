from dataclasses import fields
from functools import partial

import numpy as np
import pytest
import torch
from pytorch_lightning import Trainer

from xcgraph.errors import UserError
from xcgraph.graph.base import IdentityGraph
from xcgraph.graph.random_walk import RandomWalkGraph
from xcgraph.metrics.evaluate import evaluate_scores
from xcgraph.nn.encoder import BagOfTokens
from xcgraph.nn.hnsw_retrieval import HnswRetrieval
from xcgraph.nn.pruning import NoPruning, ScheduledPruning
from xcgraph.nn.regularizer import GraphRegularizer
from xcgraph.nn.regularizer_weight import BanditWeight, FixedWeight
from xcgraph.nn.triplet import TripletLoss
from xcgraph.recipes.anchors import NoAnchors
from xcgraph.recipes.positives import AugmentedLabels
from xcgraph.recipes.ramen import RankedRamen
from xcgraph.recipes.sizes import DataSizes
from xcgraph.tasks.dual_task import DualTask
from xcgraph.tasks.regularization import NoRegularization
from xcgraph.training.checkpoints import load_tensors, save_tensors
from xcgraph.training.stage import CURVES, WEIGHTS, Stage

from .test_eclare import change

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # Lightning's advice

NUM_STEPS = 10  # per epoch: 160 points in batches of 16


@pytest.fixture(scope="module")
def undisturbed(toy, tmp_path_factory):
    """A store with a dual encoder, and its scores of the test points."""
    root = tmp_path_factory.mktemp("undisturbed")
    work = toy.workspace(root)
    model = toy.ramen().fit(work)
    return work, model.score(toy.data.test.features).toarray()


def assert_learned(toy, scores):
    metrics = evaluate_scores(scores, toy.data.test, inverse_propensity=None)
    most_frequent = (toy.data.test.labels.sum(axis=0) / 60).max()
    assert metrics["P@1"] > 1.5 * most_frequent
    assert metrics["R@5"] > 0.5


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"anchors": NoAnchors(), "network.regularizer": NoRegularization()},
        {"network.regularizer.graphs": ["points"]},
        {"network.regularizer.graphs": ["labels"]},
        {"network.regularizer.regularizer_weight": partial(FixedWeight, value=0.2)},
        {"network.regularizer.pruning": NoPruning()},
        {"positives": AugmentedLabels(max_per_point=1), "network.regularizer": NoRegularization()},
        {"network.retrieval": HnswRetrieval()},
        {"network.encoder": partial(BagOfTokens, dim=16, sparse_gradients=True)},
        {"anchors.graph": IdentityGraph()},
    ],
    ids=str,
)
def test_end_to_end(toy, tmp_path, changes):
    recipe = toy.ramen(stage=toy.stage(max_epochs=4))
    for path, value in changes.items():
        recipe = change(recipe, path, value)
    scores = recipe.fit(toy.workspace(tmp_path)).score(toy.data.test.features)
    assert scores.shape == (60, 40)
    assert np.diff(scores.indptr).tolist() == [10] * 60
    assert scores.data.min() >= 0
    assert scores.data.max() <= 1
    assert_learned(toy, scores)


def test_fit_stores_anchor_graph_and_dual_encoder(undisturbed):
    used = undisturbed[0].store.used
    assert used.keys() == {"anchor-graph", "dual-encoder"}
    names = {path.name for path in used["dual-encoder"].folder.iterdir()}
    assert names == {"weights.ckpt", "curves.csv", "manifest.json"}


def test_second_fit_loads_everything_and_gives_the_same_scores(toy, undisturbed, monkeypatch):
    work, expected = undisturbed
    monkeypatch.setattr(Trainer, "fit", lambda *_, **__: pytest.fail("It is stored."))
    model = toy.ramen().fit(toy.workspace(work.store.root))
    np.testing.assert_array_equal(model.score(toy.data.test.features).toarray(), expected)


@pytest.mark.parametrize(
    ("owner", "method", "call"),
    [
        (RandomWalkGraph, "build", 1),
        (DualTask, "training_step", 4),
        (DualTask, "training_step", NUM_STEPS + 6),
        (DualTask, "training_step", 2 * NUM_STEPS + 1),
        (GraphRegularizer, "start_epoch", 2),
        (BanditWeight, "update", 2 * NUM_STEPS + 5),
        (DualTask, "validation_step", 5),
    ],
)
def test_resumed_fit_equals_an_uninterrupted_one(
    toy, undisturbed, tmp_path, interrupter, owner, method, call
):
    """The state of the bandit and the pruned edges are equal, too."""
    interrupter.raise_in(owner, method, call=call)
    with pytest.raises(Exception, match=f"{owner.__name__}.{method}"):
        toy.ramen().fit(toy.workspace(tmp_path))
    interrupter.stop()
    work = toy.workspace(tmp_path)
    model = toy.ramen().fit(work)
    np.testing.assert_array_equal(model.score(toy.data.test.features).toarray(), undisturbed[1])
    found, expected = (
        load_tensors(each.store.used["dual-encoder"].path(WEIGHTS)) for each in (work, undisturbed[0])
    )
    assert found.keys() == expected.keys()
    assert all((found[name] == tensor).all() for name, tensor in expected.items())
    assert not list(tmp_path.glob("*.partial"))


def test_weights_include_the_state_of_bandit_and_pruning(undisturbed):
    weights = load_tensors(undisturbed[0].store.used["dual-encoder"].path(WEIGHTS))
    pruned = weights["regularizer.of_points.0.edges.drawable_before"]
    untouched = weights["contrast.edges.drawable_before"]
    assert pruned[-1] < len(pruned) - 1
    assert untouched[-1] == len(untouched) - 1
    assert weights["regularizer.regularizer_weight.steps"] == 3 * NUM_STEPS


CHANGES = [
    ("top_k", 5, set()),
    ("stage.lr", 0.5, {"dual-encoder"}),
    ("positives", AugmentedLabels(), {"dual-encoder"}),
    ("anchors.num_anchors", 2, {"dual-encoder"}),
    ("anchors.graph.walk_length", 41, {"anchor-graph", "dual-encoder"}),
    ("network.dropout", 0.2, {"dual-encoder"}),
    ("network.triplets", TripletLoss(margin=0.2), {"dual-encoder"}),
    ("network.regularizer.graphs", ["labels"], {"dual-encoder"}),
    ("network.regularizer.pruning", ScheduledPruning(warmup_epochs=2), {"dual-encoder"}),
    ("network.regularizer.regularizer_weight", partial(BanditWeight, every_steps=4), {"dual-encoder"}),
]


@pytest.mark.parametrize(("path", "value", "expected"), CHANGES, ids=[path for path, _, _ in CHANGES])
def test_changed_setting_rebuilds_only_dependent_stages(toy, tmp_path, monkeypatch, path, value, expected):
    def fit(self, task, points, metrics, *, folder, title, seed, listener):  # noqa: ARG001
        save_tensors(folder / WEIGHTS, task.state_dict())
        (folder / CURVES).write_text("epoch\n")

    monkeypatch.setattr(Stage, "fit", fit)
    keys = []
    for recipe in (toy.ramen(), change(toy.ramen(), path, value)):
        work = toy.workspace(tmp_path)
        recipe.fit(work)
        keys.append({name: artifact.key for name, artifact in work.store.used.items()})
    assert {name for name in keys[0] if keys[0][name] != keys[1][name]} == expected


def test_augmented_labels_are_positives_in_training_only(toy, tmp_path, monkeypatch):
    seen = {}

    def fit(self, task, points, metrics, *, folder, title, seed, listener):  # noqa: ARG001
        seen["positives"], seen["valid"] = task.contrast.edges.num_drawable, points[1]
        save_tensors(folder / WEIGHTS, task.state_dict())
        (folder / CURVES).write_text("epoch\n")

    monkeypatch.setattr(Stage, "fit", fit)
    work = toy.workspace(tmp_path)
    toy.ramen(positives=AugmentedLabels(max_per_point=2)).fit(work)
    assert seen["positives"] > work.train.labels.nnz
    assert len(seen["valid"][np.arange(40)].positives) == work.valid.labels.nnz


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("network.encoder", partial(BagOfTokens, dim=0), r"encoder\.dim must be ≥ 1, got 0"),
        ("network.dropout", 1.5, r"must lie in \[0, 1\), got 1\.5"),
        ("anchors", NoAnchors(), "needs anchors: choose some with anchors="),
        ("stage.trainer", partial(Trainer, accelerator="abacus"), "abacus"),
    ],
)
def test_impossible_settings_are_refused_before_any_stage(toy, tmp_path, path, value, message):
    with pytest.raises(UserError, match=message):
        change(toy.ramen(), path, value).fit(toy.workspace(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_top_k_must_be_positive(toy):
    with pytest.raises(UserError, match=r"recipe\.top_k must be ≥ 1, got 0"):
        toy.ramen(top_k=0)


# --- with a ranker ---------------------------------------------------------------------------------------


def make_ranked(toy, **changes):
    ranker = toy.recipe()
    parts = {field.name: getattr(ranker, field.name) for field in fields(ranker)}
    return RankedRamen(**parts, dual_encoder=toy.ramen(**changes))


def test_ranked_ramen_uses_the_embeddings_of_the_dual_encoder(toy, tmp_path):
    work = toy.workspace(tmp_path)
    model = make_ranked(toy).fit(work)
    assert {"dual-encoder", "tree-0-ranker"} <= work.store.used.keys()
    assert "surrogate" not in work.store.used
    embeddings = toy.ramen().encoder(work).value.embedding.weight
    assert torch.equal(model.members[0].ranker.task.encoder.embedding.weight, embeddings)
    scores = model.score(toy.data.test.features)
    assert evaluate_scores(scores, toy.data.test, inverse_propensity=None)["P@1"] > 0.3
    assert np.isfinite(scores.data).all()


def test_ranked_ramen_checks_ranker_and_dual_encoder(toy):
    broken = {"network.dropout": (1.5, r"must lie in \[0, 1\), got 1\.5")}
    for path, (value, message) in broken.items():
        with pytest.raises(UserError, match=message):
            change(make_ranked(toy), f"dual_encoder.{path}", value).check(40)
    with pytest.raises(UserError, match=r"encoder\.dim must be ≥ 1, got 0"):
        change(make_ranked(toy), "network.encoder", partial(BagOfTokens, dim=0)).check(40)


def test_settings_are_lowered_to_the_labels(toy):
    sizes = DataSizes(num_points=100, num_labels=7)
    recipe, changes = toy.ramen().sized(sizes)
    assert (recipe.top_k, changes) == (7, ("recipe.top_k 10 → 7",))
    ranked, changes = make_ranked(toy).sized(sizes)
    assert (ranked.ranker.top_k, ranked.shortlister.beam_size, ranked.dual_encoder.top_k) == (7, 6, 7)
    assert "shortlister.num_meta_labels 16 → 8" in changes
