import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array, random_array

from xcgraph.sparse import (
    binary_rows,
    normalize_rows,
    remove_pairs,
    retain_top_k,
    symmetric_normalize,
    top_k_rows,
)


def random_matrix(rows, columns, density=0.3, seed=0):
    rng = np.random.default_rng(seed)
    return csr_array(random_array((rows, columns), density=density, format="csr", rng=rng), dtype=np.float32)


@st.composite
def matrices(draw):
    """Generate matrices with unsorted columns and few distinct values, among them ties, zeros and -inf."""
    columns = draw(st.integers(1, 6))
    rows = draw(st.lists(st.lists(st.integers(0, columns - 1), unique=True), max_size=5))
    indices = [column for row in rows for column in row]
    values = st.sampled_from([-np.inf, -1.0, 0.0, 0.5, 2.0])
    data = draw(st.lists(values, min_size=len(indices), max_size=len(indices)))
    indptr = np.cumsum([0, *map(len, rows)])
    arrays = (np.array(data, np.float32), np.array(indices, np.int64), indptr)
    return csr_array(arrays, shape=(len(rows), columns))


def top_k_slowly(matrix, k):
    """Return the k largest entries by sorting the stored entries of each row by value and then by column."""
    size = (matrix.shape[0], k)
    columns, values = [], []
    for start, stop in zip(matrix.indptr[:-1], matrix.indptr[1:], strict=True):
        entries = zip((-matrix.data[start:stop]).tolist(), matrix.indices[start:stop].tolist(), strict=True)
        best = sorted(entries)[:k] + [(np.inf, -1)] * k
        columns.append([column for _, column in best[:k]])
        values.append([-negated for negated, _ in best[:k]])
    return np.array(columns).reshape(size), np.array(values).reshape(size)


def test_binary_rows_builds_ones():
    matrix = binary_rows([[2, 0], [], [1]], num_columns=4)
    assert matrix.toarray().tolist() == [[1, 0, 1, 0], [0, 0, 0, 0], [0, 1, 0, 0]]
    assert matrix.dtype == np.float32


def test_binary_rows_accepts_no_rows_or_columns():
    assert binary_rows([], num_columns=3).shape == (0, 3)
    assert binary_rows([[], []], num_columns=3).nnz == 0


@pytest.mark.parametrize("column", [3, -1])
def test_binary_rows_refuses_columns_outside(column):
    with pytest.raises(ValueError, match=rf"column .*0 to 2, got {column}"):
        binary_rows([[column]], num_columns=3)


def test_normalize_rows_gives_unit_norm_and_keeps_zeros():
    matrix = csr_array(np.array([[3, 0, -4], [0, 0, 0], [0, 0.5, 0]], np.float32))
    found = normalize_rows(matrix)
    np.testing.assert_allclose(found.toarray(), [[0.6, 0, -0.8], [0, 0, 0], [0, 1, 0]], rtol=1e-6)
    assert found.dtype == np.float32
    assert matrix.data.tolist() == [3, -4, 0.5]


def test_normalize_rows_is_idempotent():
    once = normalize_rows(random_matrix(20, 30))
    np.testing.assert_allclose(normalize_rows(once).toarray(), once.toarray(), rtol=1e-6)


def test_normalize_rows_accepts_integers():
    found = normalize_rows(csr_array(np.array([[3, 4]])))
    np.testing.assert_allclose(found.toarray(), [[0.6, 0.8]])


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_normalize_rows_accepts_very_small_and_large_values(scale):
    found = normalize_rows(csr_array(scale * np.array([[3, 4]]), dtype=np.float32))
    np.testing.assert_allclose(found.toarray(), [[0.6, 0.8]], rtol=1e-6)


def test_symmetric_normalize_matches_example_by_hand():
    graph = csr_array(np.array([[0, 2, 0], [1, 1, 0], [0, 0, 0]], np.float32))
    # Each entry is divided by the root of row sum · column sum. The sums are 2, 2, 0 and 1, 3, 0.
    expected = [[0, 2 / np.sqrt(6), 0], [1 / np.sqrt(2), 1 / np.sqrt(6), 0], [0, 0, 0]]
    found = symmetric_normalize(graph)
    np.testing.assert_allclose(found.toarray(), expected, rtol=1e-6)
    assert found.dtype == np.float32
    assert found.has_sorted_indices


def test_symmetric_normalize_matches_dense_computation():
    graph = random_matrix(12, 12)
    dense = graph.toarray().astype(np.float64)
    rows, columns = (np.maximum(dense.sum(axis=axis), 1e-300) for axis in (1, 0))
    expected = dense / np.sqrt(rows[:, None] * columns[None, :])
    np.testing.assert_allclose(symmetric_normalize(graph).toarray(), expected, rtol=1e-6)


def test_symmetric_normalize_keeps_symmetry_and_the_largest_eigenvalue_at_one():
    half = random_matrix(12, 12)
    found = symmetric_normalize(csr_array(half + half.T)).toarray()
    np.testing.assert_allclose(found, found.T, rtol=1e-6)
    assert np.linalg.eigvalsh(found).max() == pytest.approx(1, abs=1e-5)


@settings(deadline=None)
@given(matrices(), st.integers(0, 8))
def test_top_k_rows_matches_sorted_lists(matrix, k):
    columns, values = top_k_rows(matrix, k)
    expected_columns, expected_values = top_k_slowly(matrix, k)
    np.testing.assert_array_equal(columns, expected_columns)
    np.testing.assert_array_equal(values, expected_values)
    assert (columns.dtype, values.dtype) == (np.int32, np.float32)


def test_top_k_rows_breaks_ties_by_column_and_pads():
    matrix = csr_array((np.ones(3, np.float32), np.array([4, 1, 2]), np.array([0, 3, 3])), shape=(2, 5))
    columns, values = top_k_rows(matrix, 4)
    assert columns.tolist() == [[1, 2, 4, -1], [-1, -1, -1, -1]]
    assert values.tolist() == [[1, 1, 1, -np.inf], [-np.inf] * 4]


def test_top_k_rows_ranks_nan_last():
    columns, _ = top_k_rows(csr_array(np.array([[np.nan, 1, 2]], np.float32)), 2)
    assert columns.tolist() == [[2, 1]]
    entries = (np.array([np.nan, np.nan, -np.inf], np.float32), np.array([4, 1, 5]), np.array([0, 3]))
    columns, values = top_k_rows(csr_array(entries, shape=(1, 6)), 4)
    assert columns.tolist() == [[5, 1, 4, -1]]
    np.testing.assert_array_equal(values, [[-np.inf, np.nan, np.nan, -np.inf]])


@pytest.mark.parametrize("index", [np.int32, np.int64])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_top_k_rows_accepts_any_index_and_value_type(index, dtype):
    matrix = csr_array(np.array([[3, 0, 7], [0, 1, 0]], dtype))
    matrix.indices, matrix.indptr = matrix.indices.astype(index), matrix.indptr.astype(index)
    columns, values = top_k_rows(matrix, 2)
    assert columns.tolist() == [[2, 0], [1, -1]]
    assert values.tolist() == [[7, 3], [1, -np.inf]]


def test_top_k_rows_ignores_the_number_of_threads():
    matrix = random_matrix(500, 40)
    threads = numba.get_num_threads()
    many = top_k_rows(matrix, 5)
    try:
        numba.set_num_threads(1)
        one = top_k_rows(matrix, 5)
    finally:
        numba.set_num_threads(threads)
    np.testing.assert_array_equal(many[0], one[0])
    np.testing.assert_array_equal(many[1], one[1])


@settings(deadline=None)
@given(matrices(), st.integers(0, 8))
def test_retain_top_k_keeps_the_entries_of_top_k_rows(matrix, k):
    found = retain_top_k(matrix, k)
    columns, values = top_k_slowly(matrix, k)
    assert found.shape == matrix.shape
    assert found.has_sorted_indices
    for row in range(matrix.shape[0]):
        kept = sorted((c, v) for c, v in zip(columns[row], values[row], strict=True) if c >= 0)
        entries = slice(found.indptr[row], found.indptr[row + 1])
        assert list(zip(found.indices[entries], found.data[entries], strict=True)) == kept


def test_retain_top_k_does_not_change_its_argument():
    matrix = csr_array(np.array([[3, 0, 7], [1, 1, 0]], np.float32))
    assert retain_top_k(matrix, 1).toarray().tolist() == [[0, 0, 7], [1, 0, 0]]
    assert matrix.toarray().tolist() == [[3, 0, 7], [1, 1, 0]]


def test_remove_pairs_matches_dense_computation():
    scores = random_matrix(30, 20)
    rng = np.random.default_rng(1)
    # Some pairs are stored entries, and some pairs occur twice.
    pairs = np.column_stack([rng.integers(0, 30, 200), rng.integers(0, 20, 200)])
    expected = scores.toarray()
    expected[pairs[:, 0], pairs[:, 1]] = 0
    before = scores.copy()
    found = remove_pairs(scores, pairs)
    np.testing.assert_array_equal(found.toarray(), expected)
    assert found.nnz == np.count_nonzero(expected)
    assert (scores != before).nnz == 0


def test_remove_pairs_drops_the_entry_and_keeps_stored_zeros():
    scores = csr_array((np.array([0.0, 0.0]), np.array([0, 2]), np.array([0, 2, 2])), shape=(2, 3))
    found = remove_pairs(scores, np.array([[0, 2], [1, 0]]))
    assert (found.indices.tolist(), found.indptr.tolist()) == ([0], [0, 1, 1])


def test_remove_pairs_accepts_no_pairs_or_scores():
    scores = random_matrix(3, 4)
    assert (remove_pairs(scores, np.empty((0, 2), np.int64)) != scores).nnz == 0
    assert remove_pairs(csr_array((3, 4), dtype=np.float32), np.array([[0, 1]])).nnz == 0


def test_remove_pairs_accepts_more_than_32_bits():
    # row · width does not fit in the 32 bits of the indices.
    labels = 3_000_000
    indices = np.array([7, labels - 1], np.int32)
    indptr = np.concatenate([np.zeros(2_000, np.int32), [1, 2]])
    scores = csr_array((np.ones(2, np.float32), indices, indptr), shape=(2_001, labels))
    found = remove_pairs(scores, np.array([[2_000, labels - 1]]))
    assert found.indices.tolist() == [7]
