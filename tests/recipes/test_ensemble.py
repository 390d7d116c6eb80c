from unittest.mock import Mock

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array

from xcgraph.data.shortlists import ShortlistDataset
from xcgraph.graph.game import meta_graph
from xcgraph.recipes.models import Ensemble, Ranker, RankerConfig, Tree
from xcgraph.recipes.shortlister import ShortlisterConfig, TreeShortlister
from xcgraph.tasks.label_network import LabelInputs

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # Lightning's advice

FEATURES = csr_array(np.ones((4, 3), np.float32))


def make_tree(scores, top_k):
    """A tree whose scores are known."""
    return Mock(spec=Tree, score=lambda _: csr_array(scores), top_k=top_k)


def random_scores(seed):
    rng = np.random.default_rng(seed)
    return (rng.random((4, 9)) * (rng.random((4, 9)) < 0.5)).astype(np.float32)


@pytest.mark.parametrize("num_trees", [1, 2, 3])
@pytest.mark.parametrize("top_k", [2, 9])
def test_score_is_the_mean_over_trees(num_trees, top_k):
    scores = [random_scores(seed) for seed in range(num_trees)]
    found = Ensemble(tuple(make_tree(each, top_k) for each in scores)).score(FEATURES)
    mean = np.mean(scores, axis=0)
    best = np.argsort(-mean, axis=1)[:, :top_k]
    expected = np.zeros_like(mean)
    np.put_along_axis(expected, best, np.take_along_axis(mean, best, axis=1), axis=1)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found.toarray(), expected, rtol=1e-6)


def test_label_that_a_tree_did_not_score_counts_zero():
    scores = np.array([[0.8, 0.0], [0.8, 0.6]], np.float32)
    found = Ensemble((make_tree(scores[:1], 2), make_tree(scores[1:], 2))).score(FEATURES[:1])
    np.testing.assert_allclose(found.toarray(), [[0.8, 0.3]], rtol=1e-6)


def test_trees_are_left_as_they_are():
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
    shortlister = TreeShortlister(task, toy.stage(), metas, between, config)
    ranker = Ranker(
        task=toy.frozen_task().eval(), stage=toy.stage(), graph=toy.graph, config=RankerConfig(top_k=10)
    )
    return Tree(shortlister, ranker)


def test_tree_ranks_what_its_shortlister_proposes(toy, tree):
    beams = tree.shortlister.beams(toy.data.test.features)
    members = toy.meta_labels.membership()
    points = ShortlistDataset(toy.data.test, beams.meta_labels, beams.log_probability, members)
    expected = tree.ranker.score(points)
    np.testing.assert_array_equal(tree.score(toy.data.test.features).toarray(), expected.toarray())


def test_points_are_scored_one_by_one_as_all_together(toy, tree):
    together = tree.score(toy.data.test.features[:5]).toarray()
    alone = [tree.score(toy.data.test.features[[row]]).toarray()[0] for row in range(5)]
    np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-7)


def test_no_points_no_scores(toy, tree):
    nothing = csr_array((0, toy.data.num_tokens), dtype=np.float32)
    assert Ensemble((tree, tree)).score(nothing).shape == (0, 40)
