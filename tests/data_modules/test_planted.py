from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse import csr_array, vstack

from data_modules.planted import PlantedTopics, Sizes
from xcgraph.errors import UserError
from xcgraph.graph.random_walk import RandomWalkGraph

SMALL = Sizes(
    train_points=2000,
    test_points=500,
    labels=300,
    tokens=1000,
    topics=15,
    labels_per_point=2.5,
    tokens_per_point=10.0,
    tokens_per_label=6.0,
)
# An eighth of LF-AmazonTitles-131K.
LARGER = Sizes(
    train_points=294_805 // 8,
    test_points=20_000,
    labels=131_073 // 8,
    tokens=5000,
    topics=128,
    labels_per_point=2.29,
    tokens_per_point=7.46,
    tokens_per_label=7.15,
)
# As many labels per point as in LF-AmazonTitles-1.3M.
DENSE = replace(LARGER, labels=12_000, labels_per_point=22.2)


def whole(blocks):
    return tuple(vstack(parts, format="csr") for parts in zip(*blocks, strict=True))


def train_of(planted):
    return whole(planted.train_points())


def texts_of(planted):
    return vstack(list(planted.label_texts()), format="csr")


@pytest.fixture(scope="module")
def small():
    return PlantedTopics(SMALL, 0)


# --- statistics -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("sizes", [LARGER, DENSE], ids=["131k", "1.3m"])
def test_means_match_the_requested_sizes(sizes):
    planted = PlantedTopics(sizes, 3)
    (features, labels), (test_features, test_labels) = train_of(planted), whole(planted.test_points())
    texts = texts_of(planted)
    assert features.shape == (sizes.train_points, sizes.tokens)
    assert labels.shape == (sizes.train_points, sizes.labels)
    assert test_labels.shape == (sizes.test_points, sizes.labels)
    assert texts.shape == (sizes.labels, sizes.tokens)
    for matrix in (labels, test_labels):
        assert matrix.nnz / matrix.shape[0] == pytest.approx(sizes.labels_per_point, rel=0.02)
    for matrix in (features, test_features):
        assert matrix.nnz / matrix.shape[0] == pytest.approx(sizes.tokens_per_point, rel=0.02)
    assert texts.nnz / sizes.labels == pytest.approx(sizes.tokens_per_label, rel=0.02)


def test_label_frequencies_have_the_tail_of_amazontitles():
    _, labels = train_of(PlantedTopics(LARGER, 3))
    frequency = np.sort(labels.sum(axis=0))[::-1]
    assert frequency.min() >= 1  # every label has a training point
    assert 0.55 < (frequency < 5).mean() < 0.7
    # Shares of labels, from frequent to rare, with a fifth of all entries each (DECAF Fig. 4: 3, 8, 14, 21 %)
    share = np.searchsorted(np.cumsum(frequency) / frequency.sum(), [0.2, 0.4, 0.6, 0.8]) / len(frequency)
    np.testing.assert_allclose(np.diff(share, prepend=0), [0.03, 0.08, 0.14, 0.21], atol=0.05)


def test_rows_are_canonical_and_of_unit_norm(small):
    for matrix in (*train_of(small), *whole(small.test_points()), texts_of(small)):
        assert isinstance(matrix, csr_array)
        assert matrix.dtype == np.float32
        assert np.diff(matrix.indptr).min() >= 1
        rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
        keys = rows * matrix.shape[1] + matrix.indices
        assert (np.diff(keys) > 0).all()
    features, labels = train_of(small)
    np.testing.assert_allclose(features.multiply(features).sum(axis=1), 1, rtol=1e-5)
    assert set(labels.data.tolist()) == {1}


# --- structure ------------------------------------------------------------------------------------------


def test_labels_of_a_point_come_from_neighbouring_topics(small):
    _, labels = train_of(small)
    for row in range(200):
        topics = small.topic_of[labels.indices[labels.indptr[row] : labels.indptr[row + 1]]]
        within = [{(middle + step) % SMALL.topics for step in (-1, 0, 1)} for middle in topics]
        assert any(set(topics.tolist()) <= near for near in within)


def test_neighbours_in_the_label_graph_share_topics(small):
    _, labels = train_of(small)
    edges = RandomWalkGraph(walk_length=100, num_neighbors=5).build(labels, None, 0).tocoo()
    others = edges.row != edges.col
    steps = (small.topic_of[edges.row[others]] - small.topic_of[edges.col[others]]) % SMALL.topics
    assert len(steps) > 3 * SMALL.labels
    assert (steps == 0).mean() > 0.6  # by chance: 1 in 15
    assert np.isin(steps, [0, 1, 2, SMALL.topics - 1, SMALL.topics - 2]).all()


def test_nearest_label_text_is_often_but_not_always_right(small):
    features, labels = whole(small.test_points())
    nearest = np.asarray((features @ texts_of(small).T).todense()).argmax(axis=1)
    precision = labels[np.arange(SMALL.test_points), nearest].mean()
    most_frequent = train_of(small)[1].sum(axis=0).max() / SMALL.train_points
    assert 8 * most_frequent < precision < 0.95


# --- seeds ----------------------------------------------------------------------------------------------


def test_numbers_depend_on_the_seed(small):
    same, other = PlantedTopics(SMALL, 0), PlantedTopics(SMALL, 1)
    for first, second, third in zip(*map(train_of, (small, same, other)), strict=True):
        assert (first != second).nnz == 0
        assert (first != third).nnz > SMALL.train_points
    assert (texts_of(small) != texts_of(same)).nnz == 0


def test_blocks_differ():
    """The data has three blocks of points, and each block draws its own labels."""
    blocks = [labels for _, labels in PlantedTopics(LARGER, 0).train_points()]
    assert len(blocks) == 3
    assert (blocks[0] != blocks[1]).nnz > blocks[0].nnz


def test_test_points_differ_from_training_points(small):
    train, test = train_of(small)[0], whole(small.test_points())[0]
    assert (train[: SMALL.test_points] != test).nnz > test.nnz


# --- bad sizes ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": 0}, r"data\.sizes\.labels must be ≥ 1, got 0"),
        ({"tokens_per_label": 0.5}, r"data\.sizes\.tokens_per_label must be ≥ 1, got 0\.5"),
        ({"labels_per_point": float("nan")}, r"data\.sizes\.labels_per_point must be ≥ 1, got nan"),
        ({"train_points": 299}, r"data\.sizes\.labels: .*at most 299 \(train_points.*\), got 300"),
        ({"topics": 151}, r"data\.sizes\.topics: .*at most 150 .*, got 151"),
        ({"labels_per_point": 10.1}, r"data\.sizes\.labels_per_point: .*at most 10 .*, got 10\.1"),
        ({"tokens_per_point": 251.0}, r"data\.sizes\.tokens_per_point: .*at most 250 .*, got 251"),
    ],
)
def test_impossible_sizes_are_refused(change, message):
    with pytest.raises(UserError, match=message):
        replace(SMALL, **change)


@pytest.mark.parametrize(
    "sizes",
    [
        Sizes(
            train_points=2,
            test_points=1,
            labels=2,
            tokens=4,
            topics=1,
            labels_per_point=1.0,
            tokens_per_point=1.0,
            tokens_per_label=1.0,
        ),
        replace(SMALL, topics=1),
        replace(SMALL, topics=2),
        replace(SMALL, train_points=300),
    ],
    ids=["two labels", "one topic", "two topics", "a point per label"],
)
def test_extreme_sizes_are_accepted(sizes):
    planted = PlantedTopics(sizes, 0)
    _, labels = train_of(planted)
    assert labels.sum(axis=0).min() >= 1
    assert texts_of(planted).shape == (sizes.labels, sizes.tokens)
