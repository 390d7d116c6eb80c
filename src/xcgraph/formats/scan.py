"""Compiled parser of sparse rows. Each function takes a position in a text that ends with a line feed.

All functions are in one file because numba's cache does not notice changes to inlined functions in other
files. ``forceinline`` on the functions that run per entry or per byte doubles the speed.
"""

from typing import no_type_check

import numba
import numpy as np
from numpy.typing import NDArray

from xcgraph.formats.parsed_rows import Entries, Fault

__all__ = ["scan_points", "scan_rows"]

_TAB, _LINE_FEED, _RETURN, _SPACE = b"\t\n\r "
_COLON, _COMMA, _PLUS, _MINUS, _POINT, _ZERO, _SMALL_E, _LARGE_E = b":,+-.0eE"
_FULL_MANTISSA = 10**17  # ten times this number plus a digit still fits into int64
# Up to these limits, integers and powers of ten are exact in float64, and their quotient is rounded once.
_EXACT_MANTISSA = 2**53
_EXACT_POWER = 22
# Up to this power, quotients with an 18-digit integer are normal float64 numbers.
_LARGEST_POWER = 280
_POWERS = np.array([float(f"1e{power}") for power in range(_LARGEST_POWER + 1)])
# Larger than the errors from rounding mantissa, power and quotient and from omitted digits together.
_SLACK = 2.0**-49
_MAX_DIGITS = 18  # any number with this many digits fits into int64


@numba.njit(cache=True)
@no_type_check
def scan_rows(text: NDArray[np.uint8], columns: int, entries: Entries) -> tuple[int, int, int]:
    """Fill in the entries; return their number, a fault and its position."""
    at = count = row = 0
    while at < len(text):
        at, count, fault = _parse_entries(text, at, columns, entries, count)
        if fault != Fault.NONE:
            return count, fault, at
        entries.ends[row] = count
        row += 1
        at += 1
    return count, Fault.NONE, at


@numba.njit(cache=True)
@no_type_check
def scan_points(
    text: NDArray[np.uint8], limits: tuple[int, int], features: Entries, labels: Entries
) -> tuple[tuple[int, int], int, int]:
    """Fill in features and labels; return their numbers, a fault and its position."""
    at = count = label_count = row = 0
    while at < len(text):
        at, label_count, fault = _parse_labels(text, at, limits[1], labels, label_count)
        if fault == Fault.NONE:
            at, count, fault = _parse_entries(text, at, limits[0], features, count)
        if fault != Fault.NONE:
            return (count, label_count), fault, at
        features.ends[row], labels.ends[row] = count, label_count
        row += 1
        at += 1
    return (count, label_count), Fault.NONE, at


@numba.njit(cache=True, forceinline=True)
@no_type_check
def _parse_entries(
    text: NDArray[np.uint8], at: int, columns: int, entries: Entries, count: int
) -> tuple[int, int, int]:
    """Parse ``index:value …``; return the position of the line end or the fault, the count, and the fault."""
    start = _skip_blanks(text, at)
    while _byte(text, start) != _LINE_FEED:
        index, colon = _parse_index(text, start)
        if colon == start or _byte(text, colon) != _COLON:
            return start, count, _index_fault(text, start, colon)
        if index >= columns:
            return start, count, Fault.INDEX_OUTSIDE
        value, end = _parse_value(text, colon + 1)
        following = _skip_blanks(text, end)
        if end == colon + 1 or (following == end and _byte(text, end) != _LINE_FEED):
            return start, count, Fault.NO_VALUE
        entries.indices[count], entries.values[count] = index, value
        count += 1
        start = following
    return start, count, Fault.NONE


@numba.njit(cache=True)
@no_type_check
def _index_fault(text: NDArray[np.uint8], start: int, end: int) -> int:
    """Return the fault of a token that has no digits, or no colon after them."""
    if _byte(text, start) == _MINUS:
        return Fault.INDEX_OUTSIDE
    return Fault.NO_COLON if end > start and _ends_token(text, end) else Fault.NO_INDEX


@numba.njit(cache=True)
@no_type_check
def _parse_labels(
    text: NDArray[np.uint8], at: int, num_labels: int, entries: Entries, count: int
) -> tuple[int, int, int]:
    """Parse ``label,label,…``; return the position after it or of the fault, the count, and the fault."""
    if _ends_token(text, at):
        return at, count, Fault.NONE
    while True:
        label, end = _parse_index(text, at)
        if _byte(text, at) == _MINUS or label >= num_labels:
            return at, count, Fault.LABEL_OUTSIDE
        if end == at:
            return at, count, Fault.NO_LABEL
        entries.indices[count], entries.values[count] = label, 1
        count += 1
        if _byte(text, end) != _COMMA:
            return (end, count, Fault.NONE) if _ends_token(text, end) else (at, count, Fault.NO_LABEL)
        at = end + 1


@numba.njit(cache=True, forceinline=True)
@no_type_check
def _byte(text: NDArray[np.uint8], at: int) -> np.uint8:
    """Return a byte. The position is unsigned because numba checks signed ones for counting from the end."""
    return text[np.uint64(at)]


@numba.njit(cache=True, forceinline=True)
@no_type_check
def _skip_blanks(text: NDArray[np.uint8], at: int) -> int:
    """Skip spaces, tabs, and the carriage return of a line end; other carriage returns are not blanks."""
    while _byte(text, at) == _SPACE or (_byte(text, at) < _SPACE and _is_rare_blank(text, at)):
        at += 1
    return at


@numba.njit(cache=True, forceinline=True)
@no_type_check
def _is_rare_blank(text: NDArray[np.uint8], at: int) -> bool:
    byte = _byte(text, at)
    return byte == _TAB or (byte == _RETURN and _byte(text, at + 1) == _LINE_FEED)


@numba.njit(cache=True)
@no_type_check
def _ends_token(text: NDArray[np.uint8], at: int) -> bool:
    return _byte(text, at) == _LINE_FEED or _skip_blanks(text, at) > at


@numba.njit(cache=True, forceinline=True)
@no_type_check
def _parse_index(text: NDArray[np.uint8], at: int) -> tuple[int, int]:
    """Parse digits as (number, position after them); a number beyond int32 becomes 2³¹ or more."""
    start = at
    index, at = _digits(text, at, 0)
    return (index if at - start <= _MAX_DIGITS else _long_number(text, start)[0]), at


@numba.njit(cache=True, forceinline=True)
@no_type_check
def _parse_value(text: NDArray[np.uint8], at: int) -> tuple[np.float32, int]:
    """Parse a decimal number as (value, position after it).

    The value is rounded to float64 and then to float32, as in Python. It is NaN if the rounding depends on
    digits that this parser does not keep. If there is no number, the position is the start.
    """
    start = at
    negative = _byte(text, at) == _MINUS
    if negative or _byte(text, at) == _PLUS:
        at += 1
    whole = at
    mantissa, at = _digits(text, at, 0)
    num_digits, fraction = at - whole, at
    if _byte(text, at) == _POINT:
        fraction = at + 1
        mantissa, at = _digits(text, fraction, mantissa)
        num_digits += at - fraction
    if num_digits == 0:
        return np.float32(np.nan), start
    exponent, omitted = fraction - at, 0
    if num_digits > _MAX_DIGITS:
        mantissa, omitted = _long_number(text, whole)
        exponent += omitted
    if _byte(text, at) == _SMALL_E or _byte(text, at) == _LARGE_E:
        power, end = _power(text, at + 1)
        if end == at + 1:
            return np.float32(np.nan), start
        exponent, at = exponent + power, end
    value = _scale(mantissa, exponent, omitted == 0)
    return -value if negative else value, at


@numba.njit(cache=True, forceinline=True)
@no_type_check
def _digit(text: NDArray[np.uint8], at: int) -> np.uint8:
    """Return the value of a digit, and more than 9 for any other byte, which takes only one comparison."""
    return np.uint8(_byte(text, at) - _ZERO)


@numba.njit(cache=True, forceinline=True)
@no_type_check
def _digits(text: NDArray[np.uint8], at: int, number: int) -> tuple[int, int]:
    """Append digits to a number and return it with their end; it overflows beyond ``_MAX_DIGITS``."""
    digit = _digit(text, at)
    while digit <= 9:
        number = 10 * number + digit
        at += 1
        digit = _digit(text, at)
    return number, at


@numba.njit(cache=True)
@no_type_check
def _long_number(text: NDArray[np.uint8], at: int) -> tuple[int, int]:
    """Parse digits around an optional decimal point; return the number and how many digits did not fit."""
    mantissa = omitted = 0
    while _digit(text, at) <= 9 or _byte(text, at) == _POINT:
        digit = _digit(text, at)
        if digit <= 9 and mantissa < _FULL_MANTISSA:
            mantissa = 10 * mantissa + digit
        elif digit <= 9:
            omitted += 1
        at += 1
    return mantissa, omitted


@numba.njit(cache=True)
@no_type_check
def _power(text: NDArray[np.uint8], at: int) -> tuple[int, int]:
    """Parse the exponent after an e; if there are no digits, the position is the start."""
    start = at
    negative = _byte(text, at) == _MINUS
    if negative or _byte(text, at) == _PLUS:
        at += 1
    first = at
    power, at = _parse_index(text, at)
    if at == first:
        return 0, start
    return -power if negative else power, at


@numba.njit(cache=True, forceinline=True)
@no_type_check
def _scale(mantissa: int, exponent: int, is_whole: bool) -> np.float32:
    """Round mantissa · 10^exponent to float64 and then float32; return NaN if the result is uncertain."""
    power = abs(exponent)
    if power > _LARGEST_POWER:
        return np.float32(np.nan)
    value = mantissa / _POWERS[power] if exponent < 0 else mantissa * _POWERS[power]
    if is_whole and mantissa <= _EXACT_MANTISSA and power <= _EXACT_POWER:
        return np.float32(value)
    low, high = np.float32(value * (1 - _SLACK)), np.float32(value * (1 + _SLACK))
    return low if low == high else np.float32(np.nan)
