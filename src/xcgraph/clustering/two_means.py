"""Balanced 2-means with cosine similarity, for all nodes of a tree level in parallel."""

from typing import NamedTuple, no_type_check

import numba
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from xcgraph.errors import UserError

_MAX_CHUNKS = 256  # units of work per level; each allocates a workspace


class Rows(NamedTuple):
    """Dense or sparse rows in a common form, so that the same kernels serve both.

    Attributes:
        starts: (rows + 1,) position of the first value of each row.
        columns: column of each value, sorted in each row; empty if rows are dense.
        values: values of all rows, one row after the other.
        scales: (rows,) 1 / norm of each row, 0 for rows of zeros.
        num_columns: number of columns, dim.
        is_dense: whether each row has a value in all columns.
    """

    starts: NDArray[np.int64]
    columns: NDArray[np.int32]
    values: NDArray[np.float32]
    scales: NDArray[np.float64]
    num_columns: int
    is_dense: bool


class _Workspace(NamedTuple):
    """Arrays that a thread reuses for several nodes; each node clears only the columns that it uses."""

    direction: NDArray[np.float64]
    sums: NDArray[np.float64]
    is_used: NDArray[np.bool_]
    used: NDArray[np.int32]


def to_rows(vectors: csr_array | NDArray[np.float32]) -> Rows:
    """Convert (rows, dim) vectors to the input of ``split_level``; dense float32 rows are not copied.

    Raises:
        UserError: a vector holds NaN or infinity.
    """
    num_rows, num_columns = vectors.shape
    if isinstance(vectors, csr_array):
        vectors = vectors if vectors.has_sorted_indices else vectors.sorted_indices()
        starts, columns = vectors.indptr.astype(np.int64), vectors.indices.astype(np.int32, copy=False)
        values = vectors.data.astype(np.float32, copy=False)
    else:
        starts, columns = np.arange(num_rows + 1) * num_columns, np.empty(0, np.int32)
        values = np.ascontiguousarray(vectors, np.float32).ravel()
    scales = np.empty(num_rows)
    _find_scales(starts, values, scales)
    broken = np.flatnonzero(np.isnan(scales))
    if len(broken):
        raise UserError(
            f"Row {broken[0]} of the vectors to cluster has NaN or infinity; training may have diverged, "
            "try a lower learning rate."
        )
    return Rows(starts, columns, values, scales, num_columns, not isinstance(vectors, csr_array))


# no_type_check on all functions below keeps jaxtyping's import hook away, which numba cannot compile. Sums
# are in float64 and in a fixed order, so that dense and sparse rows give the same bits.


@numba.njit(parallel=True, cache=True)
@no_type_check
def _find_scales(starts: NDArray[np.int64], values: NDArray[np.float32], scales: NDArray[np.float64]) -> None:
    """Compute 1 / norm of each row: 0 for rows of zeros, NaN for rows that are not finite."""
    for row in numba.prange(len(scales)):
        squares = 0.0
        for entry in range(starts[row], starts[row + 1]):
            squares += np.float64(values[entry]) ** 2
        if squares == 0:
            scales[row] = 0
        else:
            scales[row] = 1 / np.sqrt(squares) if squares < np.inf else np.nan


@numba.njit(parallel=True, cache=True)
@no_type_check
def split_level(
    rows: Rows,
    order: NDArray[np.int64],
    bounds: NDArray[np.int64],
    firsts: NDArray[np.int64],
    limits: tuple[int, float],
) -> None:
    """Split each node of a level: reorder its rows in place, left half first, ascending in each half.

    Args:
        rows: all vectors.
        order: (rows,) row numbers of all nodes, one node after the other, ascending in each node.
        bounds: (nodes + 1,) start of each node in ``order``.
        firsts: (nodes,) position in its node of the row from which the split starts.
        limits: maximum number of iterations per split, and the increase of the mean similarity below which
            the split ends.
    """
    num_nodes = len(firsts)
    num_chunks = min(num_nodes, _MAX_CHUNKS)
    for chunk in numba.prange(num_chunks):
        width = rows.num_columns
        work = _Workspace(
            np.zeros(width), np.zeros((2, width)), np.zeros(width, np.bool_), np.empty(width, np.int32)
        )
        for node in range(chunk * num_nodes // num_chunks, (chunk + 1) * num_nodes // num_chunks):
            if bounds[node + 1] - bounds[node] > 1:
                _split_node(rows, order[bounds[node] : bounds[node + 1]], firsts[node], limits, work)


@numba.njit(cache=True)
@no_type_check
def _split_node(
    rows: Rows,
    members: NDArray[np.int64],
    first: int,
    limits: tuple[int, float],
    work: _Workspace,
) -> None:
    """Split one node, starting from the member at position ``first`` and the member least similar to it."""
    max_iterations, tolerance = limits
    used = _find_used_columns(rows, members, work)
    work.direction[used] = 0
    _add(rows, members[first], 1.0, work.direction)
    farthest = np.argmin(_score(rows, members, work.direction))
    _add(rows, members[farthest], -1.0, work.direction)
    previous = -np.inf
    for _ in range(max_iterations):
        is_right = _choose_right_half(rows, members, work.direction)
        objective = _move_centroids(rows, members, is_right, used, work)
        if objective - previous < tolerance:
            break
        previous = objective
    left, right = members[~is_right], members[is_right]
    members[: len(left)] = left
    members[len(left) :] = right


@numba.njit(cache=True)
@no_type_check
def _find_used_columns(rows: Rows, members: NDArray[np.int64], work: _Workspace) -> NDArray[np.int32]:
    """Return the sorted columns in which at least one member has an entry."""
    if rows.is_dense:
        return np.arange(rows.num_columns).astype(np.int32)
    count = 0
    for row in members:
        for column in rows.columns[rows.starts[row] : rows.starts[row + 1]]:
            if not work.is_used[column]:
                work.is_used[column] = True
                work.used[count] = column
                count += 1
    used = np.sort(work.used[:count])
    work.is_used[used] = False
    return used


@numba.njit(cache=True)
@no_type_check
def _choose_right_half(
    rows: Rows, members: NDArray[np.int64], direction: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Mark the floor(n / 2) members with the smallest product with the direction; ties mark the last rows."""
    scores = _score(rows, members, direction)
    num_left = (len(members) + 1) // 2
    median = np.partition(scores, len(members) - num_left)[len(members) - num_left]
    ties = num_left - np.sum(scores > median)
    is_right = scores < median
    for place in range(len(members)):
        if scores[place] == median:
            is_right[place] = ties <= 0
            ties -= 1
    return is_right


@numba.njit(cache=True)
@no_type_check
def _move_centroids(
    rows: Rows,
    members: NDArray[np.int64],
    is_right: NDArray[np.bool_],
    used: NDArray[np.int32],
    work: _Workspace,
) -> float:
    """Set the direction to the left minus the right centroid; return the mean similarity to the centroids."""
    for column in used:
        work.sums[0, column] = work.sums[1, column] = 0
    for place in range(len(members)):
        _add(rows, members[place], 1.0, work.sums[1 if is_right[place] else 0])
    left = right = 0.0
    for column in used:
        left += work.sums[0, column] ** 2
        right += work.sums[1, column] ** 2
    left, right = np.sqrt(left), np.sqrt(right)
    for column in used:
        work.direction[column] = work.sums[0, column] / (left if left > 0 else 1.0)
        work.direction[column] -= work.sums[1, column] / (right if right > 0 else 1.0)
    # The similarities of unit rows to their unit centroid add up to the norm of the sum of the rows.
    return (left + right) / len(members)


@numba.njit(cache=True)
@no_type_check
def _score(rows: Rows, members: NDArray[np.int64], direction: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.array([_dot(rows, row, direction) for row in members])


@numba.njit(cache=True)
@no_type_check
def _dot(rows: Rows, row: int, direction: NDArray[np.float64]) -> float:
    start, end = rows.starts[row], rows.starts[row + 1]
    product = 0.0
    if rows.is_dense:
        for column in range(rows.num_columns):
            product += rows.values[start + column] * direction[column]
    else:
        for entry in range(start, end):
            product += rows.values[entry] * direction[rows.columns[entry]]
    return product * rows.scales[row]


@numba.njit(cache=True)
@no_type_check
def _add(rows: Rows, row: int, weight: float, target: NDArray[np.float64]) -> None:
    start, end = rows.starts[row], rows.starts[row + 1]
    weight *= rows.scales[row]
    if rows.is_dense:
        for column in range(rows.num_columns):
            target[column] += weight * rows.values[start + column]
    else:
        for entry in range(start, end):
            target[rows.columns[entry]] += weight * rows.values[entry]
