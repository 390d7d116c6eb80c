"""A sparse text file to memory-mapped rows, once, under a key of its content."""

import hashlib
import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np

from xcgraph.errors import UserError
from xcgraph.formats.canonicalize import Merge, canonicalize_rows
from xcgraph.formats.lines import Chunk, open_file, read_chunks
from xcgraph.formats.parsed_rows import Entries, ParseError
from xcgraph.storage.artifacts import Artifact, ArtifactStore
from xcgraph.storage.stored_csr import CsrPart, CsrWriter

__all__ = ["TextFormat", "convert"]

_LARGEST_NUMBER = np.iinfo(np.int32).max
_LENGTH_SHOWN = 60


@dataclass(frozen=True, kw_only=True)
class TextFormat:
    """A text format: one line of numbers, then a line for each row of one or more matrices.

    Attributes:
        name: what artifacts of it are called.
        header: what the numbers in line 1 are: rows, then the columns of each matrix.
        matrices: by name, what becomes of an index that a row of the matrix repeats.
        parse: reads whole lines, given the columns of each matrix; raises ParseError.
    """

    name: str
    header: tuple[str, ...]
    matrices: Mapping[str, Merge]
    parse: Callable[..., tuple[Entries, ...]]


def convert(source: Path, cache: ArtifactStore, kind: TextFormat, *, chunk_size: int) -> Artifact:
    """Convert a file, if that has not been done yet; memory does not grow with the file.

    Args:
        source: the file, plain or gzip.
        cache: where the artifact is kept.
        kind: the file's format.
        chunk_size: bytes to read at a time.

    Returns:
        An artifact with the format's matrices, for ``open_csr`` and ``read_facts``.

    Raises:
        UserError: the file is missing, not in this format, or changes meanwhile.
    """
    with open_file(source) as file:
        before = os.fstat(file.fileno())
        digest = hashlib.file_digest(file, "sha256").hexdigest()

    def build(folder: Path) -> None:
        _write_matrices(source, folder, kind, chunk_size)
        after = source.stat()
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            raise UserError(f"{source}: expected a finished file, found one that changes; wait until it is.")

    return cache.make(kind.name, {"source": digest, "merge": kind.matrices}, build)


def _write_matrices(source: Path, folder: Path, kind: TextFormat, chunk_size: int) -> None:
    chunks = read_chunks(source, chunk_size)
    first = next(chunks)
    line, _, rest = first.text.partition(b"\n")
    rows, *columns = _header(line, source, kind.header)
    body = chain([Chunk(rest, 2)] if rest else [], chunks)
    with ExitStack() as stack:
        writers = [
            stack.enter_context(CsrWriter(folder, name, width))
            for name, width in zip(kind.matrices, columns, strict=True)
        ]
        found = 0
        for chunk in body:
            parts = _parts(chunk, source, kind, columns, rows - found)
            for writer, part in zip(writers, parts, strict=True):
                writer.append(part)
            found += len(parts[0].ends)
        if found < rows:
            expected = f"{rows} rows as line 1 says"
            mend = "fetch the file anew or correct line 1"
            raise _mistake(source, found + 1, expected, f"the file's end after {found}", mend)


def _header(line: bytes, source: Path, names: tuple[str, ...]) -> list[int]:
    tokens = line.split()
    numbers = [int(token) for token in tokens if token.isdigit() and len(token) <= len(str(_LARGEST_NUMBER))]
    if not len(tokens) == len(numbers) == len(names) or max(numbers) > _LARGEST_NUMBER:
        expected = f"the header '{' '.join(names)}', {len(names)} numbers up to {_LARGEST_NUMBER}"
        raise _mistake(source, 1, expected, _shown(line), "write it there")
    return numbers


def _parts(chunk: Chunk, source: Path, kind: TextFormat, columns: list[int], missing: int) -> list[CsrPart]:
    """Parse and mend the lines of a chunk."""
    try:
        parsed = kind.parse(chunk.text, *columns)
    except ParseError as error:
        line = chunk.first_line + chunk.text.count(b"\n", 0, error.position)
        raise _mistake(source, line, error.expected, _shown(error.found), error.mend) from error
    parts = [
        canonicalize_rows(_without_blank_end(entries, missing, chunk, source), merge)
        for entries, merge in zip(parsed, kind.matrices.values(), strict=True)
    ]
    for part in parts:
        _check_sums(part, chunk, source)
    return parts


def _without_blank_end(entries: Entries, missing: int, chunk: Chunk, source: Path) -> Entries:
    """Drop blank lines behind the last of the missing rows."""
    kept = entries.ends[:missing]
    is_beyond = entries.ends[missing:] > (kept[-1] if missing else 0)
    if is_beyond.any():
        line = chunk.first_line + missing + int(np.argmax(is_beyond))
        expected, mend = "no more rows than line 1 says", "correct line 1 or remove the line"
        raise _mistake(source, line, expected, "another one", mend)
    return entries._replace(ends=kept)


def _check_sums(part: CsrPart, chunk: Chunk, source: Path) -> None:
    is_infinite = ~np.isfinite(part.values)
    if is_infinite.any():
        entry = int(np.argmax(is_infinite))
        line = chunk.first_line + int(np.searchsorted(part.ends, entry, side="right"))
        found = f"values that sum to {part.values[entry]}"
        expected = f"values of the repeated index {part.indices[entry]} with a sum in float32's range"
        raise _mistake(source, line, expected, found, "name each index once")


def _mistake(source: Path, line: int, expected: str, found: str, mend: str) -> UserError:
    return UserError(f"{source}, line {line}: expected {expected}, found {found}; {mend}.")


def _shown(found: bytes) -> str:
    text = found.decode("utf-8", "backslashreplace")
    return ascii(text if len(text) <= _LENGTH_SHOWN else f"{text[:_LENGTH_SHOWN]}…")
