"""Convert a sparse text file to memory-mapped rows, once for each content of the file."""

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

__all__ = ["TextFormat", "convert", "read_header"]

_MAX_NUMBER = np.iinfo(np.int32).max
_LENGTH_SHOWN = 60
_HEADER_CHUNK_SIZE = 1 << 10


@dataclass(frozen=True, kw_only=True)
class TextFormat:
    """A text format: one line of numbers, then one line for each row of one or more matrices.

    Attributes:
        name: name of the artifacts.
        header: meaning of the numbers in line 1: the rows, then the columns of each matrix.
        matrices: for each matrix, how to merge the values of an index that a row repeats.
        parse: function that parses whole lines, given the columns of each matrix; it raises ParseError.
    """

    name: str
    header: tuple[str, ...]
    matrices: Mapping[str, Merge]
    parse: Callable[..., tuple[Entries, ...]]


def convert(source: Path, cache: ArtifactStore, kind: TextFormat, *, chunk_size: int) -> Artifact:
    """Convert a file, unless the cache has it already. Memory does not grow with the size of the file.

    Args:
        source: the file, plain or gzip.
        cache: store that keeps the artifact.
        kind: format of the file.
        chunk_size: number of bytes to read at a time.

    Returns:
        An artifact with the matrices of the format, for ``open_csr`` and ``read_facts``.

    Raises:
        UserError: the file is missing, is not in this format, or changes during the conversion.
    """
    with open_file(source) as file:
        before = os.fstat(file.fileno())
        digest = hashlib.file_digest(file, "sha256").hexdigest()

    def build(folder: Path) -> None:
        _write_matrices(source, folder, kind, chunk_size)
        after = source.stat()
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            raise UserError(
                f"{source}: expected a finished file, found one that changed while it was read; wait until "
                "it is complete, then give the command again."
            )

    return cache.make(kind.name, {"source": digest, "merge": kind.matrices}, build)


def read_header(source: Path, kind: TextFormat) -> list[int]:
    """Return the numbers in line 1 of a file.

    Raises:
        UserError: the file is missing or has another first line.
    """
    line, _, _ = next(read_chunks(source, _HEADER_CHUNK_SIZE)).text.partition(b"\n")
    return _parse_header(line, source, kind.header)


def _write_matrices(source: Path, folder: Path, kind: TextFormat, chunk_size: int) -> None:
    chunks = read_chunks(source, chunk_size)
    line, _, rest = next(chunks).text.partition(b"\n")
    rows, *columns = _parse_header(line, source, kind.header)
    body = chain([Chunk(rest, 2)] if rest else [], chunks)
    with ExitStack() as stack:
        writers = [
            stack.enter_context(CsrWriter(folder, name, width))
            for name, width in zip(kind.matrices, columns, strict=True)
        ]
        found = 0
        for chunk in body:
            parts = _parse_chunk(chunk, source, kind, columns, rows - found)
            for writer, part in zip(writers, parts, strict=True):
                writer.append(part)
            found += len(parts[0].ends)
        if found < rows:
            raise _error(
                source,
                found + 1,
                f"{rows} rows as line 1 declares",
                f"the end of the file after {found}",
                "correct line 1, or fetch the file again",
            )


def _parse_header(line: bytes, source: Path, names: tuple[str, ...]) -> list[int]:
    tokens = line.split()
    numbers = [int(token) for token in tokens if token.isdigit() and len(token) <= len(str(_MAX_NUMBER))]
    if not len(tokens) == len(numbers) == len(names) or max(numbers) > _MAX_NUMBER:
        expected = f"the header '{' '.join(names)}', {len(names)} numbers up to {_MAX_NUMBER}"
        raise _error(source, 1, expected, _shown(line), "add the header as the first line")
    return numbers


def _parse_chunk(
    chunk: Chunk, source: Path, kind: TextFormat, columns: list[int], missing: int
) -> list[CsrPart]:
    """Parse the lines of a chunk and bring the rows into canonical form."""
    try:
        parsed = kind.parse(chunk.text, *columns)
    except ParseError as error:
        line = chunk.first_line + chunk.text.count(b"\n", 0, error.position)
        raise _error(source, line, error.expected, _shown(error.found), error.remedy) from error
    parts = [
        canonicalize_rows(_without_blank_end(entries, missing, chunk, source), merge)
        for entries, merge in zip(parsed, kind.matrices.values(), strict=True)
    ]
    for part in parts:
        _check_sums(part, chunk, source)
    return parts


def _without_blank_end(entries: Entries, missing: int, chunk: Chunk, source: Path) -> Entries:
    """Drop blank lines after the last of the missing rows."""
    kept = entries.ends[:missing]
    is_beyond = entries.ends[missing:] > (kept[-1] if missing else 0)
    if is_beyond.any():
        line = chunk.first_line + missing + int(np.argmax(is_beyond))
        remedy = "correct line 1 or remove the line"
        raise _error(source, line, "no more rows than line 1 declares", "another row", remedy)
    return entries._replace(ends=kept)


def _check_sums(part: CsrPart, chunk: Chunk, source: Path) -> None:
    is_infinite = ~np.isfinite(part.values)
    if is_infinite.any():
        entry = int(np.argmax(is_infinite))
        line = chunk.first_line + int(np.searchsorted(part.ends, entry, side="right"))
        expected = f"values of the repeated index {part.indices[entry]} whose sum fits into float32"
        found = f"values that sum to {part.values[entry]}"
        raise _error(source, line, expected, found, "give each index once")


def _error(source: Path, line: int, expected: str, found: str, remedy: str) -> UserError:
    return UserError(f"{source}, line {line}: expected {expected}, found {found}; {remedy}.")


def _shown(found: bytes) -> str:
    text = found.decode("utf-8", "backslashreplace")
    return ascii(text if len(text) <= _LENGTH_SHOWN else f"{text[:_LENGTH_SHOWN]}…")
