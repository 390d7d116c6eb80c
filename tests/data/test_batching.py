import numpy as np
import pytest
import torch
from scipy.sparse import csr_array

from xcgraph.data.batching import AllLabelsDataset, WeightedLabelsDataset, label_sets, token_bag
from xcgraph.data.xc_data import Split


def make_split(points=7, tokens=6, labels=5, seed=0):
    """Return points, some without labels or tokens; their label columns are stored in descending order."""
    rng = np.random.default_rng(seed)
    features = rng.random((points, tokens)) * (rng.random((points, tokens)) < 0.5)
    true_labels = csr_array((rng.random((points, labels)) < 0.4).astype(np.float32)[:, ::-1])
    backwards = csr_array(
        (true_labels.data, labels - 1 - true_labels.indices, true_labels.indptr), shape=true_labels.shape
    )
    pairs = np.array([[1, 3], [4, 0], [1, 2], [1, 3]], np.int64)
    return Split(csr_array(features, dtype=np.float32), backwards, pairs)


def dense_filter(split):
    filtered = np.zeros(split.labels.shape)
    filtered[split.filter_pairs[:, 0], split.filter_pairs[:, 1]] = 1
    return filtered


def dense_of_sets(sets, width):
    """Return how often each id occurs in each row."""
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
def test_batch_equals_dense_rows(rows):
    split = make_split()
    batch = AllLabelsDataset(split)[np.array(rows, np.int64)]

    np.testing.assert_array_equal(dense_of_bag(batch.tokens, 6), split.features.toarray()[rows])
    true_labels = split.labels.toarray()[rows]
    np.testing.assert_array_equal(dense_of_sets(batch.labels, 5), true_labels)
    np.testing.assert_array_equal(dense_of_sets(batch.filtered, 5), dense_filter(split)[rows])
    assert batch.positives.tolist() == np.argwhere(true_labels).tolist()
    assert batch.shortlist is None
    assert len(batch) == len(rows)


def test_dataset_reports_its_sizes():
    dataset = AllLabelsDataset(make_split())
    assert (len(dataset), dataset.num_labels) == (7, 5)


def test_labels_of_a_batch_are_sorted_and_the_split_is_unchanged():
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
    dataset = AllLabelsDataset(split)
    batch = dataset[np.arange(7)]
    batch.tokens.weights.zero_()
    batch.positives.zero_()
    batch.labels.ids.zero_()
    assert split.features.data.min() > 0
    assert dataset[np.arange(7)].positives.max() > 0
    assert dataset[np.arange(7)].labels.ids.max() > 0


def test_split_may_have_no_pairs_and_no_points():
    split = make_split().take(np.array([0]))
    batch = AllLabelsDataset(split)[np.array([0])]
    assert batch.filtered.offsets.tolist() == [0, 0]
    nothing = AllLabelsDataset(split.take(np.empty(0, np.int64)))
    assert len(nothing) == len(nothing[np.empty(0, np.int64)]) == 0


@pytest.mark.parametrize("index", [np.int32, np.int64])
@pytest.mark.parametrize("value", [np.float32, np.float64])
def test_tokens_and_labels_have_torch_types(index, value):
    matrix = csr_array(np.array([[0, 2], [3, 0]], value))
    matrix.indices, matrix.indptr = matrix.indices.astype(index), matrix.indptr.astype(index)
    bag, sets = token_bag(matrix), label_sets(matrix)
    assert (bag.tokens.tolist(), bag.weights.tolist(), bag.offsets.tolist()) == ([1, 0], [2, 3], [0, 1, 2])
    assert (sets.ids.tolist(), sets.offsets.tolist()) == ([1, 0], [0, 1, 2])
    assert bag.weights.dtype == torch.float32
    assert {part.dtype for part in (bag.tokens, bag.offsets, sets.ids, sets.offsets)} == {torch.int64}


def test_weighted_labels_add_the_relevance_of_each_positive():
    split = make_split()
    split.labels.data[:] = np.linspace(0.1, 1, split.labels.nnz)
    batch = WeightedLabelsDataset(split)[np.array([2, 0, 1])]
    dense = split.labels.toarray()[[2, 0, 1]]
    rows, labels = batch.positives.numpy().T
    np.testing.assert_array_equal(batch.relevance.numpy(), dense[rows, labels])
    assert batch.relevance.dtype == torch.float32
    assert AllLabelsDataset(split)[np.array([2])].relevance is None
