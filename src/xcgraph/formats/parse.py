"""Rows of ``index:value`` out of the bytes of a chunk, and what can be wrong with them."""

import re
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from xcgraph.formats.lines import count_lines
from xcgraph.formats.parsed_rows import Entries, Fault, ParseError
from xcgraph.formats.scan import scan_points, scan_rows

__all__ = ["parse_points", "parse_rows"]

_FAULTS = {
    Fault.NO_INDEX: ("index:value with a whole number as index", "correct the line"),
    Fault.NO_COLON: ("index:value", "write a colon and a value behind the index, 1 for a label"),
    Fault.INDEX_OUTSIDE: ("an index from 0 to {last_column}", "correct the line or the columns in line 1"),
    Fault.NO_VALUE: ("a finite number as value", "correct the line"),
    Fault.NO_LABEL: ("labels with commas between them", "start a line without labels with a blank"),
    Fault.LABEL_OUTSIDE: ("a label from 0 to {last_label}", "correct the line or the labels in line 1"),
}
_TOKEN = re.compile(rb"[^ \t\r\n]+")


def parse_rows(text: bytes, columns: int) -> tuple[Entries]:
    """Parse lines ``index:value index:value …``; an empty line is an empty row.

    Args:
        text: whole lines, the last one with its line feed.
        columns: indices lie below it, at most 2³¹ - 1.

    Raises:
        ParseError: the text is something else.
    """
    entries = _allocate(text, bytes_per_entry=4)
    num_entries, fault, position = scan_rows(_as_array(text), columns, entries)
    _check(text, fault, position, last_column=columns - 1)
    return (_decide(_cut(entries, num_entries), text),)


def parse_points(text: bytes, columns: int, num_labels: int) -> tuple[Entries, Entries]:
    """Parse lines ``label,label,… index:value …`` into (features, labels); labels get the value 1.

    A line of a point without labels starts with a blank, or is empty.

    Args:
        text: whole lines, the last one with its line feed.
        columns: indices lie below it, at most 2³¹ - 1.
        num_labels: labels lie below it, at most 2³¹ - 1.

    Raises:
        ParseError: the text is something else.
    """
    features, labels = _allocate(text, bytes_per_entry=4), _allocate(text, bytes_per_entry=2)
    limits = (columns, num_labels)
    counts, fault, position = scan_points(_as_array(text), limits, features, labels)
    _check(text, fault, position, last_column=columns - 1, last_label=num_labels - 1)
    return _decide(_cut(features, counts[0]), text), _cut(labels, counts[1])


def _as_array(text: bytes) -> NDArray[np.uint8]:
    return np.frombuffer(text, np.uint8)


def _allocate(text: bytes, *, bytes_per_entry: int) -> Entries:
    """Make room for the most entries that a text can hold; memory that is not written to costs nothing."""
    capacity = len(text) // bytes_per_entry
    return Entries(
        ends=np.empty(count_lines(text), np.int64),
        indices=np.empty(capacity, np.int32),
        values=np.empty(capacity, np.float32),
    )


def _cut(entries: Entries, count: int) -> Entries:
    return Entries(entries.ends, entries.indices[:count], entries.values[:count])


def _check(text: bytes, fault: Fault, position: int, **limits: int) -> None:
    if fault != Fault.NONE:
        expected, mend = _FAULTS[fault]
        found = _token(text, position)
        raise ParseError(position, expected=expected.format(**limits), found=found, mend=mend)


def _token(text: bytes, start: int) -> bytes:
    """Give what stands from here to the next blank or line end."""
    found = _TOKEN.match(text, start)
    return found.group() if found else b""


def _decide(entries: Entries, text: bytes) -> Entries:
    """Let Python read the few values that the compiled parser left open; what is not finite is refused."""
    for entry, start in _value_starts(entries, np.flatnonzero(~np.isfinite(entries.values)), text):
        token = _token(text, start)
        with np.errstate(over="ignore"):
            value = np.float32(float(token))
        if not np.isfinite(value):
            raise ParseError(
                start, expected="a value in float32's range", found=token, mend="scale the values"
            )
        entries.values[entry] = value
    return entries


def _value_starts(entries: Entries, wanted: NDArray[np.int64], text: bytes) -> Iterator[tuple[int, int]]:
    """Find values in the text again, which is cheaper than to keep where all of them are.

    Each line is gone through once, for all of a hostile file's values may be of this kind.
    """
    rows = np.searchsorted(entries.ends, wanted, side="right")
    at = start = 0
    found, first = np.unique(rows, return_index=True)
    for row, of_row in zip(found.tolist(), np.split(wanted, first)[1:], strict=True):
        for _ in range(row - at):
            start = text.index(b"\n", start) + 1
        at = row
        tokens = [token.start() for token in _TOKEN.finditer(text, start, text.index(b"\n", start))]
        behind = int(entries.ends[row])  # counted from the line's end, for labels may come first
        for entry in of_row.tolist():
            yield entry, text.index(b":", tokens[entry - behind]) + 1
