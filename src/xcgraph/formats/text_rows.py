"""Format sparse rows as text: numpy formats each distinct value once, a compiled loop joins the lines."""

from typing import NamedTuple, no_type_check

import numba
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

__all__ = ["points_text", "rows_text"]

_LINE_FEED, _SPACE, _COLON, _COMMA, _ZERO = b"\n :,0"
_INDEX_DIGITS = 10


class _Rows(NamedTuple):
    """Canonical rows with the text of each value.

    Attributes:
        indptr: (rows + 1,) row pointers.
        indices: (nnz,) column numbers.
        which: (nnz,) for each entry, the row of ``digits`` with its value.
        digits: (values, length) text of each distinct value, padded with NUL.
    """

    indptr: NDArray[np.int64]
    indices: NDArray[np.int64]
    which: NDArray[np.int64]
    digits: NDArray[np.uint8]


def rows_text(matrix: csr_array) -> bytes:
    """Return a line ``index:value index:value …`` for each row.

    Raises:
        ValueError: a value is NaN or infinite.
    """
    rows = _with_digits(_canonical(matrix))
    text = np.empty(_size(rows), np.uint8)
    return text[: _fill_rows(rows, text)].tobytes()


def points_text(features: csr_array, labels: csr_array) -> bytes:
    """Return a line ``label,label,… index:value index:value …`` for each point.

    Raises:
        ValueError: a value is NaN or infinite, or the value of a label is not 1.
    """
    binary = _canonical(labels)
    if (binary.data != 1).any():
        raise ValueError(f"Expected 1 as the value of each label, found {binary.data[binary.data != 1][0]}.")
    points, point_labels = _with_digits(_canonical(features)), _with_digits(binary)
    text = np.empty(_size(points) + _size(point_labels), np.uint8)
    return text[: _fill_points(points, point_labels, text)].tobytes()


def _canonical(matrix: csr_array) -> csr_array:
    """Return the rows as float32 in canonical form: sorted, each index once, no zeros."""
    rows = csr_array(matrix, dtype=np.float32)
    if not np.isfinite(rows.data).all():
        raise ValueError(f"Expected finite values, found {rows.data[~np.isfinite(rows.data)][0]}.")
    if rows.has_canonical_format and rows.data.all():
        return rows
    canonical = rows.copy()
    canonical.sum_duplicates()
    canonical.eliminate_zeros()
    return canonical


def _with_digits(rows: csr_array) -> _Rows:
    """Format each distinct value with the fewest digits that give the same value when read."""
    values, which = np.unique(rows.data, return_inverse=True)
    digits = np.array([text.removesuffix(b".0") for text in values.astype("S").tolist()], "S")
    return _Rows(
        indptr=rows.indptr.astype(np.int64),
        indices=rows.indices.astype(np.int64),
        which=which.astype(np.int64),
        digits=digits.view(np.uint8).reshape(len(digits), digits.itemsize),
    )


def _size(rows: _Rows) -> int:
    """Bound the size of the text: index, colon, value and blank per entry, and two bytes per row."""
    per_entry = _INDEX_DIGITS + int(rows.digits.shape[1]) + 2
    return len(rows.indices) * per_entry + 2 * len(rows.indptr)


@numba.njit(cache=True)
@no_type_check
def _fill_rows(rows: _Rows, text: NDArray[np.uint8]) -> int:
    at = 0
    for row in range(len(rows.indptr) - 1):
        at = _put_entries(rows, row, text, at)
    return at


@numba.njit(cache=True)
@no_type_check
def _fill_points(points: _Rows, labels: _Rows, text: NDArray[np.uint8]) -> int:
    at = 0
    for row in range(len(points.indptr) - 1):
        for entry in range(labels.indptr[row], labels.indptr[row + 1]):
            if entry > labels.indptr[row]:
                text[at] = _COMMA
                at += 1
            at = _put_number(labels.indices[entry], text, at)
        text[at] = _SPACE
        at = _put_entries(points, row, text, at + 1)
    return at


@numba.njit(cache=True)
@no_type_check
def _put_entries(rows: _Rows, row: int, text: NDArray[np.uint8], at: int) -> int:
    for entry in range(rows.indptr[row], rows.indptr[row + 1]):
        if entry > rows.indptr[row]:
            text[at] = _SPACE
            at += 1
        at = _put_number(rows.indices[entry], text, at)
        text[at] = _COLON
        at += 1
        for digit in rows.digits[rows.which[entry]]:
            if digit != 0:
                text[at] = digit
                at += 1
    text[at] = _LINE_FEED
    return at + 1


@numba.njit(cache=True)
@no_type_check
def _put_number(number: int, text: NDArray[np.uint8], at: int) -> int:
    num_digits = 1
    while number >= 10**num_digits:
        num_digits += 1
    for place in range(at + num_digits - 1, at - 1, -1):
        text[place] = _ZERO + number % 10
        number //= 10
    return at + num_digits
