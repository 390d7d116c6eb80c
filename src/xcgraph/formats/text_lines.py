"""Files with one thing a line that is no row of a matrix: texts, names, pairs of numbers."""

import logging
from collections.abc import Iterable, Iterator
from pathlib import Path

from xcgraph.errors import UserError
from xcgraph.formats.folder_files import content_hash
from xcgraph.formats.lines import read_chunks
from xcgraph.formats.write import TextFile

__all__ = ["Decoder", "TextLines", "numbered_lines", "read_names", "write_lines"]

_log = logging.getLogger(__name__)


def numbered_lines(source: Path, *, may_be_empty: bool = False) -> Iterator[tuple[int, bytes]]:
    """Give a file's lines, counted from 1, without their line ends.

    Raises:
        UserError: the file is missing, damaged or, where that is not allowed, empty.
    """
    for chunk in read_chunks(source, may_be_empty=may_be_empty):
        lines = chunk.text.removesuffix(b"\n").split(b"\n")
        for number, line in enumerate(lines, start=chunk.first_line):
            yield number, line.removesuffix(b"\r")


class Decoder:
    """Reads bytes as UTF-8, and as Latin-1 where they are not, as some of the field's files were written."""

    def __init__(self) -> None:
        self._first = self._count = 0

    def decode(self, line: bytes, number: int) -> str:
        """Decode the line of this number."""
        try:
            return line.decode("utf-8")
        except UnicodeDecodeError:
            self._first = self._first or number
            self._count += 1
            return line.decode("latin-1")

    def note(self) -> str:
        """Say how many lines were not UTF-8, or nothing if all were."""
        if not self._count:
            return ""
        return f"{self._count} lines are not UTF-8, the first is line {self._first}: read as Latin-1"


class TextLines:
    """The texts of a file with one text a line; every iteration reads the file anew.

    Files named ``*.raw.txt`` may have an id before each text, ``id->text`` in all lines: it is dropped.

    Args:
        source: the file, plain or gzip.

    Raises:
        UserError: while iterating, the file is missing, empty or damaged.
    """

    def __init__(self, source: Path) -> None:
        self.source = source
        self._decoder = Decoder()

    def __iter__(self) -> Iterator[str]:
        self._decoder = Decoder()
        has_ids = self._may_have_ids and all(b"->" in line for _, line in numbered_lines(self.source))
        for number, line in numbered_lines(self.source):
            yield self._decoder.decode(line.partition(b"->")[2] if has_ids else line, number)

    @property
    def _may_have_ids(self) -> bool:
        return ".raw.txt" in self.source.name

    def inputs(self) -> dict[str, object]:
        """Describe all that the texts depend on."""
        return {"file": content_hash(self.source), "may_have_ids": self._may_have_ids}

    def note(self) -> str:
        """Say what was odd in the last iteration, if anything."""
        return self._decoder.note()


def read_names(source: Path | None) -> tuple[str, ...]:
    """Read a file of names or tokens, one a line; no file has none.

    Raises:
        UserError: the file is empty or damaged.
    """
    if source is None:
        return ()
    lines = TextLines(source)
    names = tuple(lines)
    if note := lines.note():
        _log.warning("%s: %s.", source, note)
    return names


def write_lines(path: Path, texts: Iterable[str], what: str) -> None:
    """Write texts one a line.

    Args:
        path: the file, gzip if its name ends with ``.gz``.
        texts: the texts.
        what: what they are, for the message.

    Raises:
        UserError: a text has a line break.
    """
    with TextFile(path) as file:
        for number, text in enumerate(texts):
            if "\n" in text or "\r" in text:
                raise UserError(
                    f"{path}: expected {what} of one line each, found a line break in number {number}, "
                    f"{text[:40]!r}; replace it by a blank, or write the layout json."
                )
            file.write(f"{text}\n".encode())
