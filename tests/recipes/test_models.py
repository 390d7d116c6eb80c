from unittest.mock import Mock

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array

from xcgraph.data.shortlists import ShortlistDataset
from xcgraph.errors import UserError
from xcgraph.graph.game import meta_graph
from xcgraph.recipes.models import Ensemble, Ranker, RankerConfig, Tree
from xcgraph.recipes.shortlister import ShortlisterConfig, TreeShortlister
from xcgraph.tasks.label_network import LabelInputs

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # Lightning's advice

FEATURES = csr_array(np.ones((4, 3), np.float32))


# --- ranker ---------------------------------------------------------------------------------------------


def keep_best(dense, k):
    kept = np.zeros_like(dense)
    best = np.argsort(-dense, axis=1, kind="stable")[:, :k]
    np.put_along_axis(kept, best, np.take_along_axis(dense, best, axis=1), axis=1)
    return kept


def naive_scores(task, targets, graph, config):
    """σ(h_m·x̂) · σ(w_l·x̂) of the shortlisted labels, then GAME by dense products."""
    batch = targets[np.arange(len(targets))]
    with torch.no_grad():
        probability = torch.sigmoid(task(batch)) * batch.shortlist.log_prior.exp()
    scores = np.zeros((len(targets), targets.num_labels), np.float32)
    for point, positions in enumerate(batch.shortlist.positions):
        for column, position in enumerate(positions):
            if position >= 0:
                scores[point, batch.shortlist.label_ids[position]] = probability[point, column]
    scores = keep_best(scores, config.top_k)
    spread = keep_best(scores @ graph.toarray(), config.top_k)
    return keep_best((1 - config.game_mix) * scores + config.game_mix * spread, config.top_k)


@pytest.mark.parametrize("game_mix", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("top_k", [1, 5, 40])
def test_ranker_scores_match_a_naive_computation(toy, top_k, game_mix):
    config = RankerConfig(top_k=top_k, game_mix=game_mix)
    task, targets = toy.frozen_task().eval(), toy.shortlisted(toy.data.test)
    found = Ranker(task=task, stage=toy.stage(), graph=toy.graph, config=config).score(targets)
    expected = naive_scores(task, targets, toy.graph, config)
    assert found.dtype == np.float32
    assert np.diff(found.indptr).max() <= top_k
    np.testing.assert_allclose(found.toarray(), expected, rtol=1e-4, atol=1e-7)


def test_game_adds_labels_outside_the_shortlist(toy):
    targets = toy.shortlisted(toy.data.test, beam_size=1)
    task = toy.frozen_task().eval()
    with_game, without = (
        Ranker(
            task=task, stage=toy.stage(), graph=toy.graph, config=RankerConfig(top_k=40, game_mix=mix)
        ).score(targets)
        for mix in (0.5, 0.0)
    )
    assert without.nnz == 60 * 5
    assert with_game.nnz > without.nnz


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("top_k", 0, "must be ≥ 1, got 0"),
        ("top_k", -1, "must be ≥ 1, got -1"),
        ("game_mix", -0.5, r"must lie in \[0, 1\], got -0\.5"),
        ("game_mix", 1.01, r"must lie in \[0, 1\], got 1\.01"),
        ("game_mix", float("nan"), r"must lie in \[0, 1\], got nan"),
    ],
)
def test_ranker_config_refuses_values_out_of_range(name, value, message):
    with pytest.raises(UserError, match=rf"ranker\.{name} {message}"):
        RankerConfig(**{name: value})


# --- trees and ensembles -------------------------------------------------------------------------------


def make_tree(scores, top_k):
    """Return a tree with these scores."""
    return Mock(spec=Tree, score=lambda _: csr_array(scores), top_k=top_k)


def random_scores(seed):
    rng = np.random.default_rng(seed)
    return (rng.random((4, 9)) * (rng.random((4, 9)) < 0.5)).astype(np.float32)


@pytest.mark.parametrize("num_trees", [1, 2, 3])
@pytest.mark.parametrize("top_k", [2, 9])
def test_ensemble_score_is_the_mean_over_members(num_trees, top_k):
    scores = [random_scores(seed) for seed in range(num_trees)]
    found = Ensemble(tuple(make_tree(each, top_k) for each in scores)).score(FEATURES)
    mean = np.mean(scores, axis=0)
    best = np.argsort(-mean, axis=1)[:, :top_k]
    expected = np.zeros_like(mean)
    np.put_along_axis(expected, best, np.take_along_axis(mean, best, axis=1), axis=1)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found.toarray(), expected, rtol=1e-6)


def test_missing_score_of_a_member_counts_as_zero():
    scores = np.array([[0.8, 0.0], [0.8, 0.6]], np.float32)
    found = Ensemble((make_tree(scores[:1], 2), make_tree(scores[1:], 2))).score(FEATURES[:1])
    np.testing.assert_allclose(found.toarray(), [[0.8, 0.3]], rtol=1e-6)


def test_ensemble_does_not_change_the_scores_of_members():
    scores = [csr_array(random_scores(seed)) for seed in range(2)]
    before = [each.toarray() for each in scores]
    trees = (Mock(spec=Tree, score=lambda _, each=each: each, top_k=3) for each in scores)
    Ensemble(tuple(trees)).score(FEATURES)
    for each, copy in zip(scores, before, strict=True):
        np.testing.assert_array_equal(each.toarray(), copy)


@pytest.fixture(scope="module")
def tree(toy):
    """An untrained tree."""
    metas = toy.meta_labels
    between = meta_graph(toy.graph, metas.membership(), 4)
    torch.manual_seed(0)
    labels = LabelInputs(metas.meta_features(toy.data.label_features), between)
    task = toy.network().surrogate.build(labels, 0.2).eval()
    config = ShortlisterConfig(num_meta_labels=8, beam_size=3)
    shortlister = TreeShortlister(task, toy.stage(), metas, between, config.beam)
    ranker = Ranker(
        task=toy.frozen_task().eval(), stage=toy.stage(), graph=toy.graph, config=RankerConfig(top_k=10)
    )
    return Tree(shortlister, ranker)


def test_tree_ranks_the_labels_of_its_shortlister(toy, tree):
    beams = tree.shortlister.beams(toy.data.test.features)
    members = toy.meta_labels.membership()
    points = ShortlistDataset(toy.data.test, beams.meta_labels, beams.log_probability, members)
    expected = tree.ranker.score(points)
    np.testing.assert_array_equal(tree.score(toy.data.test.features).toarray(), expected.toarray())


def test_tree_scores_of_a_point_do_not_depend_on_other_points(toy, tree):
    together = tree.score(toy.data.test.features[:5]).toarray()
    alone = [tree.score(toy.data.test.features[[row]]).toarray()[0] for row in range(5)]
    np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-7)


def test_ensemble_accepts_no_points(toy, tree):
    nothing = csr_array((0, toy.data.num_tokens), dtype=np.float32)
    assert Ensemble((tree, tree)).score(nothing).shape == (0, 40)
