import numpy as np
import pytest
import torch
from scipy.sparse import csr_array

from xcgraph.data.batching import AllLabelsDataset, WeightedLabelsDataset, label_sets, token_bag
from xcgraph.data.xc_data import Split


def make_split(points=7, tokens=6, labels=5, seed=0):
    """Points, some without labels or tokens, whose label columns are stored in descending order."""
    rng = np.random.default_rng(seed)
    features = rng.random((points, tokens)) * (rng.random((points, tokens)) < 0.5)
    truth = csr_array((rng.random((points, labels)) < 0.4).astype(np.float32)[:, ::-1])
    backwards = csr_array((truth.data, labels - 1 - truth.indices, truth.indptr), shape=truth.shape)
    pairs = np.array([[1, 3], [4, 0], [1, 2], [1, 3]], np.int64)
    return Split(csr_array(features, dtype=np.float32), backwards, pairs)


def dense_filter(split):
    filtered = np.zeros(split.labels.shape)
    filtered[split.filter_pairs[:, 0], split.filter_pairs[:, 1]] = 1
    return filtered


def dense_of_sets(sets, width):
    """Count each row's ids."""
    dense = np.zeros((len(sets.offsets) - 1, width))
    for row in range(len(dense)):
        for column in sets.ids[sets.offsets[row] : sets.offsets[row + 1]].tolist():
            dense[row, column] += 1
    return dense


def dense_of_bag(bag, width):
    dense = np.zeros((len(bag.offsets) - 1, width), np.float32)
    for row in range(len(dense)):
        for entry in range(bag.offsets[row], bag.offsets[row + 1]):
            dense[row, bag.tokens[entry]] += bag.weights[entry].item()
    return dense


@pytest.mark.parametrize(
    "rows", [[0, 1, 2, 3, 4, 5, 6], [4, 1], [1, 1, 5], [2], []], ids=lambda rows: f"rows{rows}"
)
def test_batch_as_dense_rows(rows):
    split = make_split()
    batch = AllLabelsDataset(split)[np.array(rows, np.int64)]

    np.testing.assert_array_equal(dense_of_bag(batch.tokens, 6), split.features.toarray()[rows])
    truth = split.labels.toarray()[rows]
    np.testing.assert_array_equal(dense_of_sets(batch.labels, 5), truth)
    np.testing.assert_array_equal(dense_of_sets(batch.filtered, 5), dense_filter(split)[rows])
    assert batch.positives.tolist() == np.argwhere(truth).tolist()
    assert batch.shortlist is None
    assert len(batch) == len(rows)


def test_sizes():
    targets = AllLabelsDataset(make_split())
    assert (len(targets), targets.num_labels) == (7, 5)


def test_true_labels_ascend_and_the_split_stays_as_it_is():
    split = make_split()
    before = split.labels.indices.copy()
    batch = AllLabelsDataset(split)[np.arange(7)]
    for row in range(7):
        ids = batch.labels.ids[batch.labels.offsets[row] : batch.labels.offsets[row + 1]].tolist()
        assert ids == sorted(ids)
    np.testing.assert_array_equal(split.labels.indices, before)
    assert split.labels.indices[:2].tolist() == sorted(split.labels.indices[:2].tolist(), reverse=True)


def test_batches_do_not_share_memory_with_the_split():
    split = make_split()
    targets = AllLabelsDataset(split)
    batch = targets[np.arange(7)]
    batch.tokens.weights.zero_()
    batch.positives.zero_()
    batch.labels.ids.zero_()
    assert split.features.data.min() > 0
    assert targets[np.arange(7)].positives.max() > 0
    assert targets[np.arange(7)].labels.ids.max() > 0


def test_no_pairs_and_no_points():
    split = make_split().take(np.array([0]))
    batch = AllLabelsDataset(split)[np.array([0])]
    assert batch.filtered.offsets.tolist() == [0, 0]
    nothing = AllLabelsDataset(split.take(np.empty(0, np.int64)))
    assert len(nothing) == len(nothing[np.empty(0, np.int64)]) == 0


@pytest.mark.parametrize("index", [np.int32, np.int64])
@pytest.mark.parametrize("value", [np.float32, np.float64])
def test_tokens_and_labels_have_the_types_that_torch_takes(index, value):
    matrix = csr_array(np.array([[0, 2], [3, 0]], value))
    matrix.indices, matrix.indptr = matrix.indices.astype(index), matrix.indptr.astype(index)
    bag, sets = token_bag(matrix), label_sets(matrix)
    assert (bag.tokens.tolist(), bag.weights.tolist(), bag.offsets.tolist()) == ([1, 0], [2, 3], [0, 1, 2])
    assert (sets.ids.tolist(), sets.offsets.tolist()) == ([1, 0], [0, 1, 2])
    assert bag.weights.dtype == torch.float32
    assert {part.dtype for part in (bag.tokens, bag.offsets, sets.ids, sets.offsets)} == {torch.int64}


def test_soft_targets_bring_the_relevance_of_each_positive():
    split = make_split()
    split.labels.data[:] = np.linspace(0.1, 1, split.labels.nnz)
    batch = WeightedLabelsDataset(split)[np.array([2, 0, 1])]
    dense = split.labels.toarray()[[2, 0, 1]]
    rows, labels = batch.positives.numpy().T
    np.testing.assert_array_equal(batch.relevance.numpy(), dense[rows, labels])
    assert batch.relevance.dtype == torch.float32
    assert AllLabelsDataset(split)[np.array([2])].relevance is None
