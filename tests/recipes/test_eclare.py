from collections import Counter
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from pytorch_lightning import Trainer
from scipy.sparse import csr_array

from xcgraph.clustering.balanced import BalancedTree
from xcgraph.errors import UserError
from xcgraph.graph.base import IdentityGraph
from xcgraph.graph.cooccurrence import CooccurrenceGraph
from xcgraph.graph.ppr import PageRankGraph
from xcgraph.graph.random_walk import RandomWalkGraph
from xcgraph.metrics.evaluate import evaluate_scores
from xcgraph.nn.blocks import GatedResidualBlock
from xcgraph.nn.encoder import BagOfTokens
from xcgraph.nn.fusion import ConcatFusion, GatedFusion, MeanFusion, SumFusion
from xcgraph.nn.label_graph import Propagation
from xcgraph.nn.refinement import NoRefinement, RandomRefinementVectors
from xcgraph.recipes.eclare import Eclare
from xcgraph.recipes.keyed import Keyed
from xcgraph.recipes.shortlister import TreeShortlister
from xcgraph.sparse import normalize_rows
from xcgraph.tasks.label_text import trained_text
from xcgraph.tasks.meta_text import summed_views
from xcgraph.tasks.xc_task import XCTask
from xcgraph.training.checkpoints import save_tensors
from xcgraph.training.stage import CURVES, WEIGHTS, Stage

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # Lightning's advice

DECAF = {
    "graph": IdentityGraph(),
    "network.propagation": Propagation(hops=0),
    "network.block": GatedResidualBlock,
    "network.encoder": partial(BagOfTokens, dim=32, block=GatedResidualBlock),
    "network.fusion": GatedFusion,
    "network.token_embeddings": trained_text,
    "shortlister.meta_text": summed_views,
}

NUM_STEPS = 20  # per stage: 2 epochs of 160 points in batches of 16

SURROGATE = {"graph-surrogate", "clusters-surrogate", "surrogate"}
BEAMS = {"tree-0-beams-train", "tree-0-beams-valid"}
TREE = {"tree-0-clusters", "tree-0-shortlister", *BEAMS, "tree-0-ranker"}
ALL = {*SURROGATE, "graph", *TREE}


@pytest.fixture
def fits(monkeypatch):
    """List the folder of each training, in order."""
    found, original = [], Trainer.fit

    def fit(self, *args, **kwargs):
        found.append(self.checkpoint_callback.dirpath.rsplit("/", 1)[-1].rsplit("-", 1)[0])
        return original(self, *args, **kwargs)

    monkeypatch.setattr(Trainer, "fit", fit)
    return found


@pytest.fixture(scope="module")
def undisturbed(toy, tmp_path_factory):
    """A store with one tree, and its scores of the test points."""
    root = tmp_path_factory.mktemp("undisturbed")
    model = toy.recipe().fit(toy.workspace(root))
    return root, model.score(toy.data.test.features).toarray()


def change(part, path, value):
    """Replace a nested field, such as ``stages.ranker.lr``."""
    name, _, rest = path.partition(".")
    return replace(part, **{name: change(getattr(part, name), rest, value) if rest else value})


# --- end to end -----------------------------------------------------------------------------------------


def assert_learned(toy, scores):
    metrics = evaluate_scores(scores, toy.data.test, inverse_propensity=None)
    most_frequent = (toy.data.test.labels.sum(axis=0) / 60).max()
    assert metrics["P@1"] > 1.5 * most_frequent
    assert metrics["R@5"] > 0.4


@pytest.mark.parametrize(
    "changes",
    [
        {"num_trees": 2},
        {"network.propagation": Propagation(hops=0)},
        {"network.propagation": Propagation(hops=1)},
        {"network.propagation": Propagation(hops=2)},
        {"network.fusion": MeanFusion},
        {"network.refinement": NoRefinement},
        {"network.encoder": partial(BagOfTokens, dim=32, sparse_gradients=True)},
        {"graph": IdentityGraph(), "network.propagation": Propagation(hops=0)},
        {"graph": IdentityGraph()},
        {"graph": CooccurrenceGraph(num_neighbors=4)},
        {"graph": PageRankGraph(num_neighbors=4)},
        {"smooth_centroids": False},
        {"network.own_text": False},
        {
            "network.own_text": False,
            "network.refinement": NoRefinement,
            "network.propagation": Propagation(hops=2),
        },
        {"network.token_embeddings": trained_text},
        {
            "network.token_embeddings": trained_text,
            "network.encoder": partial(BagOfTokens, dim=32, sparse_gradients=True),
        },
        {"network.fusion": GatedFusion},
        {"network.fusion": SumFusion},
        {"network.fusion": ConcatFusion},
        DECAF,
        {**DECAF, "network.refinement": NoRefinement},
        {**DECAF, "network.refinement": RandomRefinementVectors, "network.own_text": False},
        {"shortlister.join_neighbours": True},
        {"shortlister.game_mix": 0.0, "ranker.game_mix": 0.0},
        {"shortlister.num_meta_labels": 64, "shortlister.beam_size": 10},
        {"shortlister.num_meta_labels": 1, "shortlister.beam_size": 1},
    ],
    ids=lambda changes: " ".join(f"{name}={value}" for name, value in changes.items()).partition(" at 0x")[0],
)
def test_end_to_end(toy, tmp_path, changes):
    recipe = toy.recipe()
    for path, value in changes.items():
        recipe = change(recipe, path, value)
    scores = recipe.fit(toy.workspace(tmp_path)).score(toy.data.test.features)
    assert scores.shape == (60, 40)
    assert scores.dtype == np.float32
    assert np.diff(scores.indptr).min() >= 1
    assert np.diff(scores.indptr).max() <= 10
    assert scores.data.min() >= 0
    assert np.isfinite(scores.data).all()
    assert_learned(toy, scores)


def test_fit_stores_an_artifact_for_every_stage(toy, tmp_path, fits):
    work = toy.workspace(tmp_path)
    toy.recipe().fit(work)
    assert fits == ["surrogate", "tree-0-shortlister", "tree-0-ranker"]
    assert work.store.used.keys() == ALL
    files = {name: {path.name for path in found.folder.iterdir()} for name, found in work.store.used.items()}
    for name in ("surrogate", "tree-0-shortlister", "tree-0-ranker"):
        assert files[name] == {"weights.ckpt", "curves.csv", "manifest.json"}


def test_scores_are_the_mean_of_two_different_trees(toy, undisturbed, tmp_path):
    model = toy.recipe(num_trees=2).fit(toy.workspace(tmp_path))
    features = toy.data.test.features
    first, second = (tree.score(features).toarray() for tree in model.members)
    np.testing.assert_array_equal(first, undisturbed[1])
    assert not np.array_equal(first, second)
    assignments = [tree.shortlister.meta_labels.assignment for tree in model.members]
    assert not np.array_equal(*assignments)
    found, mean = model.score(features).toarray(), (first + second) / 2
    kept = found > 0
    assert (kept.sum(axis=1) == np.minimum((mean > 0).sum(axis=1), 10)).all()
    np.testing.assert_allclose(found[kept], mean[kept], rtol=1e-6)


def test_labels_of_validation_points_do_not_change_the_model(toy, undisturbed, tmp_path):
    """With other labels of validation points, the model is the same."""
    work = toy.workspace(tmp_path)
    other_labels = work.valid.labels[np.arange(len(work.valid))[::-1]]
    work = replace(work, valid=replace(work.valid, labels=other_labels))
    scores = toy.recipe().fit(work).score(toy.data.test.features)
    np.testing.assert_array_equal(scores.toarray(), undisturbed[1])


# --- what is there already is not computed again --------------------------------------------------------


def test_second_fit_loads_everything_and_gives_the_same_scores(toy, undisturbed, fits, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("It is stored.")

    for owner, method in ((RandomWalkGraph, "build"), (BalancedTree, "fit"), (TreeShortlister, "beams")):
        monkeypatch.setattr(owner, method, refuse)
    root, expected = undisturbed
    model = toy.recipe().fit(toy.workspace(root))
    monkeypatch.undo()
    assert fits == []
    np.testing.assert_array_equal(model.score(toy.data.test.features).toarray(), expected)


def test_same_seed_gives_the_same_scores_in_another_store(toy, undisturbed, tmp_path):
    scores = toy.recipe().fit(toy.workspace(tmp_path)).score(toy.data.test.features)
    np.testing.assert_array_equal(scores.toarray(), undisturbed[1])


def test_another_seed_gives_other_scores(toy, undisturbed, tmp_path):
    scores = toy.recipe().fit(toy.workspace(tmp_path, seed=1)).score(toy.data.test.features)
    assert not np.array_equal(scores.toarray(), undisturbed[1])
    assert_learned(toy, scores)


def test_changed_ranker_trains_only_the_ranker(toy, undisturbed, fits):
    root, _ = undisturbed
    recipe = change(toy.recipe(), "stages.ranker.lr", 0.01)
    recipe.fit(toy.workspace(root))
    assert fits == ["tree-0-ranker"]


def test_sweep_over_later_modules_builds_graph_and_surrogate_once(toy, tmp_path, fits, monkeypatch):
    built, original = [], RandomWalkGraph.build

    def build(self, labels, label_vectors, seed):
        built.append("before" if label_vectors is None else "after")
        return original(self, labels, label_vectors, seed)

    monkeypatch.setattr(RandomWalkGraph, "build", build)
    cells = [
        {},
        {"network.fusion": MeanFusion},
        {"network.fusion": GatedFusion},
        {"network.refinement": NoRefinement},
        {"stages.ranker.lr": 0.01},
        {"shortlister.beam_size": 3},
        {"ranker.game_mix": 0.0},
    ]
    for changes in cells:
        recipe = toy.recipe()
        for path, value in changes.items():
            recipe = change(recipe, path, value)
        recipe.fit(toy.workspace(tmp_path))
    assert built == ["before", "after"]  # once without and once with trained embeddings
    assert Counter(fits) == {"surrogate": 1, "tree-0-shortlister": 4, "tree-0-ranker": 6}


def test_additional_tree_trains_only_its_own_stages(toy, undisturbed, fits):
    root, _ = undisturbed
    for trees in ({"first_tree": 1}, {"num_trees": 2}):  # first alone, then in an ensemble
        toy.recipe(**trees).fit(toy.workspace(root))
        assert fits == ["tree-1-shortlister", "tree-1-ranker"]


CHANGES = [
    ("ranker.top_k", 5, set()),
    ("ranker.game_mix", 0.25, set()),
    ("num_trees", 2, set()),
    ("stages.ranker.max_epochs", 3, {"tree-0-ranker"}),
    ("shortlister.beam_size", 4, {*BEAMS, "tree-0-ranker"}),
    ("shortlister.game_mix", 0.25, {*BEAMS, "tree-0-ranker"}),
    ("shortlister.join_neighbours", True, {"tree-0-ranker"}),
    ("stages.shortlister.batch_size", 8, {"tree-0-shortlister", *BEAMS, "tree-0-ranker"}),
    ("stages.surrogate.lr", 0.01, {"surrogate", "graph", *TREE}),
    ("network.encoder", partial(BagOfTokens, dim=8), {"surrogate", "graph", *TREE}),
    ("network.propagation.hops", 2, {"surrogate", "graph", *TREE}),
    ("network.fusion", MeanFusion, {"tree-0-shortlister", *BEAMS, "tree-0-ranker"}),
    ("network.refinement", NoRefinement, {"tree-0-shortlister", *BEAMS, "tree-0-ranker"}),
    ("network.own_text", False, {"tree-0-shortlister", *BEAMS, "tree-0-ranker"}),
    ("network.token_embeddings", trained_text, {"tree-0-shortlister", *BEAMS, "tree-0-ranker"}),
    ("shortlister.meta_text", summed_views, {"tree-0-shortlister", *BEAMS, "tree-0-ranker"}),
    ("network.surrogate_fusion", MeanFusion, {"surrogate", "graph", *TREE}),
    ("network.block", GatedResidualBlock, {"surrogate", "graph", *TREE}),
    ("smooth_centroids", False, ALL - {"graph-surrogate"}),
    ("network.label_dropout", 0.3, {"surrogate", "graph", *TREE}),
    ("shortlister.num_neighbors", 2, {"surrogate", "graph", *TREE}),
    ("shortlister.num_meta_labels", 32, ALL - {"graph-surrogate"}),
    ("clustering.max_iterations", 7, ALL - {"graph-surrogate"}),
    ("graph.num_neighbors", 2, ALL),
]


@pytest.fixture
def untrained(monkeypatch):
    """Skip the trainings: keys do not depend on their results."""

    def fit(self, task, points, metrics, *, folder, title, seed, listener):  # noqa: ARG001
        save_tensors(folder / WEIGHTS, task.state_dict())
        (folder / CURVES).write_text("epoch\n")

    monkeypatch.setattr(Stage, "fit", fit)


def keys_of(work):
    return {name: artifact.key for name, artifact in work.store.used.items()}


@pytest.mark.usefixtures("untrained")
@pytest.mark.parametrize(("path", "value", "expected"), CHANGES, ids=[path for path, _, _ in CHANGES])
def test_changed_setting_rebuilds_only_dependent_stages(toy, tmp_path, path, value, expected):
    before, after = toy.workspace(tmp_path), toy.workspace(tmp_path)
    toy.recipe().fit(before)
    change(toy.recipe(), path, value).fit(after)
    old, new = keys_of(before), keys_of(after)
    assert {name for name in old if new[name] != old[name]} == expected


def test_smoothing_averages_centroids_over_the_graph(toy, tmp_path, monkeypatch):
    clustered, original = [], BalancedTree.fit

    def fit(self, vectors, num_clusters, seed):
        clustered.append(normalize_rows(csr_array(vectors)).toarray())
        return original(self, vectors, num_clusters, seed)

    monkeypatch.setattr(BalancedTree, "fit", fit)
    work, graph = toy.workspace(tmp_path), Keyed(toy.graph, "graph")
    for smooth in (True, False):
        toy.recipe(smooth_centroids=smooth)._cluster(work, None, graph, 0)
    smoothed, plain = clustered
    shared = csr_array(toy.graph.toarray() @ plain)
    np.testing.assert_allclose(smoothed, normalize_rows(shared).toarray(), atol=1e-6)
    assert not np.allclose(smoothed, plain)


@pytest.mark.usefixtures("untrained")
@pytest.mark.parametrize("changes", [{"seed": 1}, {"validation_seed": 1}, {"validation_fraction": 0.25}])
def test_changed_seed_or_split_rebuilds_everything(toy, tmp_path, changes):
    before, after = toy.workspace(tmp_path), toy.workspace(tmp_path, **changes)
    for work in (before, after):
        toy.recipe().fit(work)
    assert before.store.used.keys() == after.store.used.keys() == ALL
    assert not set(keys_of(before).values()) & set(keys_of(after).values())


@pytest.mark.usefixtures("untrained")
def test_changed_data_rebuilds_everything(toy, tmp_path):
    labels = toy.data.train.labels.toarray()
    labels[3, 5] = 1 - labels[3, 5]
    train = replace(toy.data.train, labels=csr_array(labels))
    before, after = toy.workspace(tmp_path), toy.workspace(tmp_path, data=replace(toy.data, train=train))
    for work in (before, after):
        toy.recipe().fit(work)
    assert not set(keys_of(before).values()) & set(keys_of(after).values())


# --- killed and started again ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("owner", "method", "call", "trained_afterwards"),
    [
        (RandomWalkGraph, "build", 1, 3),
        (XCTask, "training_step", 3, 3),
        (XCTask, "training_step", 15, 3),
        (RandomWalkGraph, "build", 2, 2),
        (BalancedTree, "fit", 2, 2),
        (XCTask, "training_step", NUM_STEPS + 15, 2),
        (XCTask, "predict_step", 2, 1),
        (XCTask, "predict_step", 12, 1),
        (XCTask, "training_step", 2 * NUM_STEPS + 15, 1),
        (XCTask, "validation_step", 18, 1),
    ],
)
def test_resumed_fit_equals_an_uninterrupted_one(
    toy, undisturbed, tmp_path, interrupter, fits, owner, method, call, trained_afterwards
):
    interrupter.raise_in(owner, method, call=call)
    with pytest.raises(Exception, match=f"{owner.__name__}.{method}"):
        toy.recipe().fit(toy.workspace(tmp_path))
    interrupter.stop()
    fits.clear()
    model = toy.recipe().fit(toy.workspace(tmp_path))
    assert len(fits) == trained_afterwards
    np.testing.assert_array_equal(model.score(toy.data.test.features).toarray(), undisturbed[1])
    assert not list(tmp_path.glob("*.partial"))
    assert not list(tmp_path.rglob("last.ckpt"))


def test_damaged_weights_are_trained_again(toy, tmp_path, fits, caplog):
    work = toy.workspace(tmp_path)
    expected = toy.recipe().fit(work).score(toy.data.test.features)
    path = work.store.used["tree-0-shortlister"].path(WEIGHTS)
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    fits.clear()
    found = toy.recipe().fit(toy.workspace(tmp_path)).score(toy.data.test.features)
    assert fits == ["tree-0-shortlister"]
    assert "does not match its checksums" in caplog.text
    np.testing.assert_array_equal(found.toarray(), expected.toarray())


# --- settings that cannot be ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("network.encoder", partial(BagOfTokens, dim=0), r"encoder\.dim must be ≥ 1, got 0"),
        ("stages.ranker.trainer", partial(Trainer, accelerator="abacus"), "abacus"),
    ],
)
def test_impossible_settings_are_refused_before_any_stage(toy, tmp_path, path, value, message):
    work, recipe = toy.workspace(tmp_path), change(toy.recipe(), path, value)
    with pytest.raises(UserError, match=message):
        recipe.fit(work)
    with pytest.raises(UserError, match=message):
        recipe.check(40)
    assert list(tmp_path.iterdir()) == []


def test_dataset_without_labels_is_refused(toy):
    for recipe in (toy.recipe(), toy.joint(), toy.ramen()):
        with pytest.raises(UserError, match="has no labels"):
            recipe.check(0)


def test_large_settings_are_lowered_to_the_labels(toy, tmp_path):
    exact = change(change(toy.recipe(), "shortlister.beam_size", 16), "ranker.top_k", 40)
    large = change(change(exact, "shortlister.beam_size", 17), "ranker.top_k", 1_000)
    work = toy.workspace(tmp_path)

    assert exact.sized(work.sizes) == (exact, ())
    assert large.sized(work.sizes) == (
        exact,
        ("ranker.top_k 1,000 → 40", "shortlister.beam_size 17 → 16"),
    )
    expected = exact.fit(work).score(toy.data.test.features)
    again = toy.workspace(tmp_path)
    found = large.fit(again).score(toy.data.test.features)
    np.testing.assert_array_equal(found.toarray(), expected.toarray())
    assert not any(artifact.made for artifact in again.store.used.values())


@pytest.mark.parametrize("num_trees", [0, -1])
def test_num_trees_must_be_positive(toy, num_trees):
    with pytest.raises(UserError, match=f"num_trees must be ≥ 1, got {num_trees}"):
        toy.recipe(num_trees=num_trees)


def test_recipe_is_frozen(toy):
    with pytest.raises(AttributeError, match="cannot assign"):
        toy.recipe().num_trees = 2
    assert isinstance(toy.recipe(), Eclare)
