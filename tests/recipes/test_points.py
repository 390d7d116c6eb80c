from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse import csr_array

from xcgraph.data.anchors import AnchorSet
from xcgraph.data.xc_data import Split
from xcgraph.errors import UserError
from xcgraph.graph.base import IdentityGraph
from xcgraph.recipes.points import (
    CooccurrenceLabelTexts,
    GraphLabelTexts,
    PropensityWeighted,
    TrainingPointsOnly,
)

TRAIN = Split(
    features=csr_array(np.array([[1, 0, 0], [0, 2, 0]], np.float32)),
    labels=csr_array(np.array([[1, 0, 1], [0, 1, 0]], np.float32)),
    filter_pairs=np.array([[1, 2]]),
)
TEXTS = csr_array(np.array([[0, 0, 1], [3, 0, 0], [0, 1, 1]], np.float32))
# Labels 0 and 1 are neighbours, label 2 has none; rows of Ĝ include the label itself.
GRAPH = csr_array(np.array([[0.5, 0.4, 0.1], [0.2, 0.8, 0], [0, 0, 1]], np.float32))


def test_training_points_only_returns_the_training_points():
    assert TrainingPointsOnly().select(TRAIN, TEXTS, GRAPH) is TRAIN


@pytest.mark.parametrize(
    ("relevance", "near"),
    [
        (0.5, [[1, 0.5, 0.125], [0.5, 1, 0], [0, 0, 1]]),
        (1.0, [[1, 1, 0.25], [1, 1, 0], [0, 0, 1]]),
        (0.0, np.eye(3)),
    ],
)
def test_label_texts_are_appended_with_the_relevance_of_neighbours(relevance, near):
    points = GraphLabelTexts(neighbour_relevance=relevance).select(TRAIN, TEXTS, GRAPH)
    np.testing.assert_array_equal(
        points.features.toarray(), np.vstack([TRAIN.features.toarray(), TEXTS.toarray()])
    )
    np.testing.assert_allclose(points.labels.toarray(), np.vstack([TRAIN.labels.toarray(), near]))
    assert points.labels.nnz == TRAIN.labels.nnz + np.count_nonzero(near)  # no entry has relevance 0
    assert points.labels.dtype == np.float32
    np.testing.assert_array_equal(points.filter_pairs, TRAIN.filter_pairs)


def test_label_text_without_neighbours_has_only_its_label():
    graph = IdentityGraph().build(TRAIN.labels, None, 0)
    points = GraphLabelTexts().select(TRAIN, TEXTS, graph)
    np.testing.assert_array_equal(points.labels.toarray()[2:], np.eye(3))


# Label 0 has three points: two of them also have label 1, and one also has label 2.
TOGETHER = replace(
    TRAIN,
    features=csr_array(np.ones((4, 3), np.float32)),
    labels=csr_array(np.array([[1, 1, 0], [1, 1, 0], [1, 0, 1], [0, 1, 0]], np.float32)),
)


@pytest.mark.parametrize(
    ("num_labels", "carried"),
    [
        (20, [[1, 2 / 4, 1 / 4], [2 / 4, 1, 0], [1 / 2, 0, 1]]),
        (1, [[1, 2 / 4, 0], [2 / 4, 1, 0], [1 / 2, 0, 1]]),
        (0, np.eye(3)),
    ],
)
def test_cooccurrence_relevance_is_the_share_of_common_points(num_labels, carried):
    points = CooccurrenceLabelTexts(num_labels=num_labels).select(TOGETHER, TEXTS, GRAPH)
    np.testing.assert_allclose(points.labels.toarray()[4:], carried, rtol=1e-6)
    np.testing.assert_array_equal(points.labels.toarray()[:4], TOGETHER.labels.toarray())
    assert points.labels.nnz == TOGETHER.labels.nnz + np.count_nonzero(carried)
    assert points.labels.dtype == np.float32


def test_cooccurrence_keeps_the_frequency_of_frequent_labels():
    rng = np.random.default_rng(0)
    labels = np.zeros((4000, 101), np.float32)
    labels[np.arange(4000), rng.integers(0, 100, 4000)] = 1
    labels[rng.random(4000) < 0.4, 100] = 1
    train = replace(TRAIN, features=csr_array((4000, 3), dtype=np.float32), labels=csr_array(labels))
    texts = csr_array((101, 3), dtype=np.float32)
    chosen = CooccurrenceLabelTexts().select(train, texts, csr_array((101, 101), dtype=np.float32))
    shares = chosen.labels.toarray()[4000:4100, 100]
    assert shares.mean() == pytest.approx(labels[:, 100].mean(), rel=0.05)


def test_num_labels_must_not_be_negative():
    with pytest.raises(UserError, match=r"points\.num_labels must be ≥ 0, got -1"):
        CooccurrenceLabelTexts(num_labels=-1)


@pytest.mark.parametrize("relevance", [-0.1, 1.1])
def test_neighbour_relevance_must_lie_in_the_unit_interval(relevance):
    with pytest.raises(
        UserError, match=rf"points\.neighbour_relevance must lie in \[0, 1\], got {relevance}"
    ):
        GraphLabelTexts(neighbour_relevance=relevance)


def test_propensity_weighting_matches_its_formula():
    """q = 1 + C (n + B)^-A with C = (ln N − 1)(B + 1)^A, here for label counts of 3, 1 and 0."""
    labels = csr_array(np.array([[1, 1, 0], [1, 0, 0], [1, 0, 0], [0, 0, 0]], np.float32))
    train = replace(TRAIN, features=csr_array(np.ones((4, 3), np.float32)), labels=labels)
    chosen = GraphLabelTexts(neighbour_relevance=0.5)
    points = PropensityWeighted(points=chosen, propensity_a=0.6, propensity_b=2.6)
    found = points.select(train, TEXTS, GRAPH)
    scale = (np.log(4) - 1) * 3.6**0.6
    weights = 1 + scale * (np.array([3, 1, 0]) + 2.6) ** -0.6
    plain = chosen.select(train, TEXTS, GRAPH)
    np.testing.assert_allclose(found.labels.toarray(), plain.labels.toarray() * weights / weights[2])
    np.testing.assert_array_equal(found.features.toarray(), plain.features.toarray())
    assert found.labels.dtype == np.float32
    assert plain.labels.toarray()[0].tolist() == [1, 1, 0]  # the input is unchanged


def test_label_texts_get_the_anchors_of_their_labels():
    some = csr_array(np.eye(3, dtype=np.float32))
    anchors = AnchorSet(features=TEXTS, points=TRAIN.labels, labels=GRAPH, anchor_labels=some)
    assert TrainingPointsOnly().extend_anchors([anchors]) == [anchors]
    for points in (
        CooccurrenceLabelTexts(),
        PropensityWeighted(points=CooccurrenceLabelTexts(), propensity_a=0.5, propensity_b=1.5),
    ):
        (linked,) = points.extend_anchors([anchors])
        expected = np.vstack([TRAIN.labels.toarray(), GRAPH.toarray()])
        np.testing.assert_array_equal(linked.points.toarray(), expected)
        assert linked.labels is anchors.labels
