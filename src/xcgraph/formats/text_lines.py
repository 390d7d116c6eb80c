"""Read and write files with one text, name or pair of numbers on each line.

All line formats share one rule for blank lines. Blank lines after the last row of a file are ignored. Where
another file declares more rows, such as the label matrix beside a file of texts, they are rows without text.
"""

import logging
from collections.abc import Iterable, Iterator
from pathlib import Path

from xcgraph.errors import UserError
from xcgraph.formats.folder_files import content_hash
from xcgraph.formats.lines import read_chunks
from xcgraph.formats.write import TextFile

__all__ = ["Decoder", "TextLines", "numbered_lines", "read_names", "write_lines"]

_log = logging.getLogger(__name__)

_LENGTH_SHOWN = 40


def numbered_lines(
    source: Path, *, num_rows: int = 0, may_be_empty: bool = False
) -> Iterator[tuple[int, bytes]]:
    """Yield a file's lines without their line ends, numbered from 1.

    Args:
        source: the file, plain or gzip.
        num_rows: number of rows that another file declares. Blank lines at the end of the file are yielded
            up to this number and dropped after it.
        may_be_empty: whether to accept a file without any byte.

    Raises:
        UserError: the file is missing, damaged or empty.
    """
    first_blank = 0  # the first of the blank lines that may turn out to be the end of the file
    for number, line in _all_lines(source, may_be_empty):
        if number > num_rows and not line.strip():
            first_blank = first_blank or number
            continue
        if first_blank:
            yield from ((blank, b"") for blank in range(first_blank, number))
            first_blank = 0
        yield number, line


def _all_lines(source: Path, may_be_empty: bool) -> Iterator[tuple[int, bytes]]:
    for chunk in read_chunks(source, may_be_empty=may_be_empty):
        lines = chunk.text.removesuffix(b"\n").split(b"\n")
        for number, line in enumerate(lines, start=chunk.first_line):
            yield number, line.removesuffix(b"\r")


class Decoder:
    """Decodes lines as UTF-8. Lines that are not UTF-8, as in some published files, are read as Latin-1."""

    def __init__(self) -> None:
        self._first = self._count = 0

    def decode(self, line: bytes, number: int) -> str:
        """Decode the line with this number."""
        try:
            return line.decode("utf-8")
        except UnicodeDecodeError:
            self._first = self._first or number
            self._count += 1
            return line.decode("latin-1")

    def note(self) -> str:
        """Return how many lines were not UTF-8, or an empty text if all were."""
        if not self._count:
            return ""
        return f"{self._count} lines are not UTF-8, the first is line {self._first}: read as Latin-1"


class TextLines:
    """Iterates over the texts of a file with one text on each line. Each iteration reads the file again.

    Files named ``*.raw.txt`` may have an id before each text, ``id->text``. If every line has one, the ids
    are dropped.

    Args:
        source: the file, plain or gzip.
        num_rows: number of texts that the label matrix declares; see :func:`numbered_lines`.

    Raises:
        UserError: during iteration, if the file is missing, empty or damaged.
    """

    def __init__(self, source: Path, num_rows: int = 0) -> None:
        self.source = source
        self._num_rows = num_rows
        self._decoder = Decoder()

    def __iter__(self) -> Iterator[str]:
        self._decoder = Decoder()
        has_ids = self._may_have_ids and all(b"->" in line for _, line in numbered_lines(self.source))
        for number, line in numbered_lines(self.source, num_rows=self._num_rows):
            yield self._decoder.decode(line.partition(b"->")[2] if has_ids else line, number)

    @property
    def _may_have_ids(self) -> bool:
        return ".raw.txt" in self.source.name

    def inputs(self) -> dict[str, object]:
        """Return everything that the texts depend on, as part of a cache key."""
        return {
            "file": content_hash(self.source),
            "may_have_ids": self._may_have_ids,
            "rows": self._num_rows,
        }

    def note(self) -> str:
        """Return a warning about the last iteration, or an empty text."""
        return self._decoder.note()


def read_names(source: Path | None, num_rows: int) -> tuple[str, ...]:
    """Read a file with one name or token on each line; return an empty tuple if there is no file.

    Args:
        source: the file, plain or gzip, or None.
        num_rows: number of labels or tokens that a matrix declares; see :func:`numbered_lines`.

    Raises:
        UserError: the file is empty or damaged.
    """
    if source is None:
        return ()
    lines = TextLines(source, num_rows)
    names = tuple(lines)
    if note := lines.note():
        _log.warning("%s: %s.", source, note)
    return names


def write_lines(path: Path, texts: Iterable[str], kind: str) -> None:
    """Write one text on each line.

    Args:
        path: the file; it is compressed if its name ends with ``.gz``.
        texts: the texts.
        kind: what the texts are, in the plural, for the error message.

    Raises:
        UserError: a text contains a line break.
    """
    with TextFile(path) as file:
        for number, text in enumerate(texts):
            if "\n" in text or "\r" in text:
                raise UserError(
                    f"{path}, line {number + 1}: expected {kind} without line breaks, found "
                    f"{text[:_LENGTH_SHOWN]!r}; replace the line break by a space, or write the layout json."
                )
            file.write(f"{text}\n".encode())
