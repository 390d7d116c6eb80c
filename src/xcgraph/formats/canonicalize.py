"""Bring parsed rows into canonical form: sorted, each index once, no zeros."""

from typing import Literal, no_type_check

import numba
import numpy as np
from numpy.typing import NDArray

from xcgraph.formats.parsed_rows import Entries
from xcgraph.storage.stored_csr import CsrPart

__all__ = ["Merge", "canonicalize_rows"]

# How to merge the values of an index that a row repeats.
Merge = Literal["sum", "max"]


def canonicalize_rows(entries: Entries, merge: Merge) -> CsrPart:
    """Bring rows into canonical form in place, and count the changes.

    Args:
        entries: rows as parsed from a file; overwritten.
        merge: ``sum`` adds the values of a repeated index, in float32 and in the order of the file; ``max``
            takes the largest.
    """
    ends, indices, values = entries
    unsorted_rows, repeated, zeros = _canonicalize(ends, indices, values, merge == "sum")
    kept = len(indices) - repeated - zeros
    return CsrPart(ends, indices[:kept], values[:kept], unsorted_rows, repeated, zeros)


@numba.njit(cache=True)
@no_type_check
def _canonicalize(
    ends: NDArray[np.int64], indices: NDArray[np.int32], values: NDArray[np.float32], summed: bool
) -> tuple[int, int, int]:
    """Compact the rows towards the front; return the counts of unsorted rows, merged and dropped entries."""
    unsorted_rows = repeated = zeros = kept = start = 0
    for row in range(len(ends)):
        end = ends[row]
        if kept == start and _is_canonical(indices[start:end], values[start:end]):
            kept = start = end
            continue
        if not _is_sorted(indices[start:end]):
            order = np.argsort(indices[start:end], kind="mergesort")
            indices[start:end] = indices[start:end][order]
            values[start:end] = values[start:end][order]
            unsorted_rows += 1
        first = kept
        for entry in range(start, end):
            if kept > first and indices[entry] == indices[kept - 1]:
                values[kept - 1] = _merge(values[kept - 1], values[entry], summed)
                repeated += 1
                continue
            if kept > first and values[kept - 1] == 0:  # its sum is final: the next index is another one
                kept -= 1
                zeros += 1
            indices[kept], values[kept] = indices[entry], values[entry]
            kept += 1
        if kept > first and values[kept - 1] == 0:
            kept -= 1
            zeros += 1
        ends[row] = kept
        start = end
    return unsorted_rows, repeated, zeros


@numba.njit(cache=True)
@no_type_check
def _is_canonical(indices: NDArray[np.int32], values: NDArray[np.float32]) -> bool:
    """Recognize the usual row, which needs no change. Checking all of it is faster than stopping."""
    wrong = 0
    for entry in range(1, len(indices)):
        wrong += indices[entry] <= indices[entry - 1]
    for entry in range(len(values)):
        wrong += values[entry] == 0
    return wrong == 0


@numba.njit(cache=True)
@no_type_check
def _is_sorted(indices: NDArray[np.int32]) -> bool:
    for entry in range(1, len(indices)):  # noqa: SIM110 - numba is faster without a generator
        if indices[entry] < indices[entry - 1]:
            return False
    return True


@numba.njit(cache=True)
@no_type_check
def _merge(value: np.float32, other: np.float32, summed: bool) -> np.float32:
    return value + other if summed else max(value, other)
