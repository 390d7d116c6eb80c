"""Operations on compressed sparse rows (CSR) that scipy does not have or does slowly."""

from collections.abc import Sequence
from typing import no_type_check

import numba
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array

__all__ = [
    "binary_rows",
    "normalize_rows",
    "remove_pairs",
    "retain_top_k",
    "symmetric_normalize",
    "top_k_rows",
]


def binary_rows(rows: Sequence[Sequence[int]], num_columns: int) -> csr_array:
    """Return a (len(rows), num_columns) float32 matrix of ones from the column numbers of each row.

    Raises:
        ValueError: a column number is outside [0, num_columns).
    """
    indptr = np.concatenate([[0], np.cumsum([len(row) for row in rows], dtype=np.int64)])
    indices = np.fromiter((column for row in rows for column in row), dtype=np.int64, count=int(indptr[-1]))
    outside = indices[(indices < 0) | (indices >= num_columns)]
    if len(outside):
        raise ValueError(f"Expected column numbers from 0 to {num_columns - 1}, got {outside[0]}.")
    return csr_array((np.ones(len(indices), np.float32), indices, indptr), shape=(len(rows), num_columns))


def normalize_rows(matrix: csr_array) -> csr_array:
    """Return the matrix with rows at unit L2 norm; rows of zeros stay zero, and integers become floats."""
    wide = matrix.astype(np.float64)  # squares of very small or large float32 numbers do not fit in float32
    squares = np.asarray(wide.multiply(wide).sum(axis=1)).ravel()
    scale = np.divide(1.0, np.sqrt(squares), out=np.zeros(len(squares)), where=squares > 0)
    return csr_array(diags_array(scale) @ wide, dtype=np.result_type(matrix.dtype, np.float32))


def symmetric_normalize(graph: csr_array) -> csr_array:
    """Return Ĝ = D_r^-1/2 · G · D_c^-1/2 with row sums D_r and column sums D_c (ECLARE section 3).

    Args:
        graph: (labels, labels), entries ≥ 0, symmetric or not. Rows and columns with sum 0 stay 0.
    """
    row_sums, column_sums = (np.asarray(graph.sum(axis=axis), dtype=np.float64).ravel() for axis in (1, 0))
    left, right = (
        np.divide(1.0, np.sqrt(sums), out=np.zeros(len(sums)), where=sums > 0)
        for sums in (row_sums, column_sums)
    )
    normalized = csr_array(diags_array(left) @ graph @ diags_array(right), dtype=np.float32)
    normalized.sort_indices()
    return normalized


def top_k_rows(matrix: csr_array, k: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Return the k largest stored entries of each row, best first; equal entries by column, NaN last.

    Returns:
        (rows, k) column numbers, padded with -1, and (rows, k) values, padded with -inf.
    """
    columns = np.full((matrix.shape[0], k), -1, np.int32)
    values = np.full((matrix.shape[0], k), -np.inf, np.float32)
    _top_k_rows(matrix.indptr, matrix.indices, matrix.data.astype(np.float32, copy=False), columns, values)
    return columns, values


def retain_top_k(matrix: csr_array, k: int) -> csr_array:
    """Return a matrix with the k largest stored entries of each row; equal entries rank by column."""
    columns, values = top_k_rows(matrix, k)
    kept = columns >= 0
    indptr = np.concatenate([[0], np.cumsum(kept.sum(axis=1))])
    result = csr_array((values[kept], columns[kept], indptr), shape=matrix.shape)
    result.sort_indices()
    return result


def remove_pairs(scores: csr_array, pairs: NDArray[np.int64]) -> csr_array:
    """Return a score matrix without the entries of some (row, column) pairs, such as an item's own label."""
    if len(pairs) == 0:
        return scores
    width = scores.shape[1]
    rows = np.repeat(np.arange(scores.shape[0], dtype=np.int64), np.diff(scores.indptr))
    kept = ~np.isin(rows * width + scores.indices, pairs[:, 0] * width + pairs[:, 1])
    indptr = np.concatenate([[0], np.cumsum(kept)])[scores.indptr]
    return csr_array((scores.data[kept], scores.indices[kept], indptr), shape=scores.shape)


@numba.njit(parallel=True, cache=True)
@no_type_check
def _top_k_rows(
    indptr: NDArray[np.int64],
    indices: NDArray[np.int32],
    data: NDArray[np.float32],
    columns: NDArray[np.int32],
    values: NDArray[np.float32],
) -> None:
    """Insert the entries of each row into a short sorted list; a single thread does each row, in order."""
    k = columns.shape[1]
    for row in numba.prange(len(indptr) - 1):
        filled = 0
        for entry in range(indptr[row], indptr[row + 1]):
            value, column = data[entry], indices[entry]
            place = filled
            while place > 0 and _precedes(value, column, values[row, place - 1], columns[row, place - 1]):
                place -= 1
            if place == k:
                continue
            filled = min(filled + 1, k)
            for shift in range(filled - 1, place, -1):
                columns[row, shift] = columns[row, shift - 1]
                values[row, shift] = values[row, shift - 1]
            columns[row, place], values[row, place] = column, value


@numba.njit(cache=True)
@no_type_check
def _precedes(value: float, column: int, other: float, other_column: int) -> bool:
    """Return whether an entry ranks before another: larger value, then smaller column; NaN is last."""
    if np.isnan(other):
        return not np.isnan(value) or column < other_column
    return value > other or (value == other and column < other_column)
