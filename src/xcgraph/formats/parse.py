"""Parse rows of ``index:value`` from the bytes of a chunk, and describe errors in them."""

import re
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from xcgraph.formats.lines import count_lines
from xcgraph.formats.parsed_rows import Entries, Fault, ParseError
from xcgraph.formats.scan import scan_points, scan_rows

__all__ = ["parse_points", "parse_rows"]

_FAULTS = {
    Fault.NO_INDEX: ("index:value with a whole number as index", "correct the line, such as 7:1"),
    Fault.NO_COLON: ("index:value", "write a colon and a value after the index, such as 7:1"),
    Fault.INDEX_OUTSIDE: (
        "an index from 0 to {last_column}",
        "correct the line or the number of columns in line 1",
    ),
    Fault.NO_VALUE: ("a finite number as value", "correct the line"),
    Fault.NO_LABEL: (
        "labels separated by commas",
        "correct the line; a line without labels starts with a space",
    ),
    Fault.LABEL_OUTSIDE: (
        "a label from 0 to {last_label}",
        "correct the line or the number of labels in line 1",
    ),
}
_TOKEN = re.compile(rb"[^ \t\r\n]+")


def parse_rows(text: bytes, columns: int) -> tuple[Entries]:
    """Parse lines ``index:value index:value …``; an empty line is an empty row.

    Args:
        text: whole lines, each with its line feed.
        columns: number of columns, at most 2³¹ - 1.

    Raises:
        ParseError: a line does not follow the format.
    """
    entries = _allocate(text, bytes_per_entry=4)
    num_entries, fault, position = scan_rows(_as_array(text), columns, entries)
    _check(text, fault, position, last_column=columns - 1)
    return (_parse_rare_values(_trim(entries, num_entries), text),)


def parse_points(text: bytes, columns: int, num_labels: int) -> tuple[Entries, Entries]:
    """Parse lines ``label,label,… index:value …`` into (features, labels); labels get the value 1.

    The line of a point without labels starts with a space, or is empty.

    Args:
        text: whole lines, each with its line feed.
        columns: number of columns, at most 2³¹ - 1.
        num_labels: number of labels, at most 2³¹ - 1.

    Raises:
        ParseError: a line does not follow the format.
    """
    features, labels = _allocate(text, bytes_per_entry=4), _allocate(text, bytes_per_entry=2)
    limits = (columns, num_labels)
    counts, fault, position = scan_points(_as_array(text), limits, features, labels)
    _check(text, fault, position, last_column=columns - 1, last_label=num_labels - 1)
    return _parse_rare_values(_trim(features, counts[0]), text), _trim(labels, counts[1])


def _as_array(text: bytes) -> NDArray[np.uint8]:
    return np.frombuffer(text, np.uint8)


def _allocate(text: bytes, *, bytes_per_entry: int) -> Entries:
    """Allocate arrays for the largest possible number of entries; memory is used only where it is written."""
    capacity = len(text) // bytes_per_entry
    return Entries(
        ends=np.empty(count_lines(text), np.int64),
        indices=np.empty(capacity, np.int32),
        values=np.empty(capacity, np.float32),
    )


def _trim(entries: Entries, count: int) -> Entries:
    return Entries(entries.ends, entries.indices[:count], entries.values[:count])


def _check(text: bytes, fault: Fault, position: int, **limits: int) -> None:
    if fault != Fault.NONE:
        expected, remedy = _FAULTS[fault]
        found = _token(text, position)
        raise ParseError(position, expected=expected.format(**limits), found=found, remedy=remedy)


def _token(text: bytes, start: int) -> bytes:
    """Return the bytes from a position to the next blank or line end."""
    found = _TOKEN.match(text, start)
    return found.group() if found else b""


def _parse_rare_values(entries: Entries, text: bytes) -> Entries:
    """Let Python parse the few values that the compiled parser marked as NaN; refuse infinite values."""
    for entry, start in _value_starts(entries, np.flatnonzero(~np.isfinite(entries.values)), text):
        token = _token(text, start)
        with np.errstate(over="ignore"):
            value = np.float32(float(token))
        if not np.isfinite(value):
            raise ParseError(
                start, expected="a value in the range of float32", found=token, remedy="scale the values"
            )
        entries.values[entry] = value
    return entries


def _value_starts(entries: Entries, wanted: NDArray[np.int64], text: bytes) -> Iterator[tuple[int, int]]:
    """Yield the entries and the positions of their values in the text.

    Searching again for a few values is cheaper than storing the positions of all. Each line is searched only
    once, because every value of a hostile file may be rare.
    """
    rows = np.searchsorted(entries.ends, wanted, side="right")
    at = start = 0
    found, first = np.unique(rows, return_index=True)
    for row, row_entries in zip(found.tolist(), np.split(wanted, first)[1:], strict=True):
        for _ in range(row - at):
            start = text.index(b"\n", start) + 1
        at = row
        tokens = [token.start() for token in _TOKEN.finditer(text, start, text.index(b"\n", start))]
        row_end = int(entries.ends[row])  # tokens are counted from the end because labels may come first
        for entry in row_entries.tolist():
            yield entry, text.index(b":", tokens[entry - row_end]) + 1
