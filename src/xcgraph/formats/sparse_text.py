"""The repository's sparse text files, converted once into memory-mapped rows under a key of their content."""

import hashlib
import logging
import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
from scipy.sparse import csr_array

from xcgraph.artifacts import Artifact, ArtifactStore
from xcgraph.errors import UserError
from xcgraph.formats.entries import ParseError, cut_token, parse_points, parse_rows
from xcgraph.formats.lines import CHUNK_SIZE, Chunk, open_file, read_chunks
from xcgraph.formats.mend import Merge, mend_rows
from xcgraph.formats.parse import Entries
from xcgraph.formats.stored_csr import CsrPart, CsrWriter, open_csr, read_facts

__all__ = ["convert_points", "convert_rows", "read_points", "read_rows"]

_log = logging.getLogger(__name__)

_LARGEST = np.iinfo(np.int32).max
_LENGTH_SHOWN = 60


@dataclass(frozen=True)
class _Format:
    """One of the two formats.

    Attributes:
        name: what artifacts of it are called.
        header: what the numbers in line 1 are; behind the first come the columns of each matrix.
        matrices: the matrices in it, each with what becomes of an index that a row repeats.
        parse: reads whole lines, given the columns of each matrix.
    """

    name: str
    header: tuple[str, ...]
    matrices: Mapping[str, Merge]
    parse: Callable[..., tuple[Entries, ...]]


_POINTS = _Format(
    "points", ("points", "features", "labels"), {"features": "sum", "labels": "max"}, parse_points
)


def read_rows(source: Path, cache: ArtifactStore, *, merge: Merge = "sum") -> csr_array:
    """Read a file of the split format: a header ``rows columns``, then ``index:value index:value …`` per row.

    The file is converted once; afterwards the rows come from the cache without being parsed. What was mended
    is said in one warning.

    Args:
        source: the file, plain or gzip; indices count from 0, an empty line is an empty row.
        cache: where the converted rows are kept.
        merge: what becomes of an index that a row repeats: ``sum`` of its values for features, ``max``
            for labels.

    Returns:
        (rows, columns) float32, memory-mapped and read-only. Entries of value 0 are dropped.

    Raises:
        UserError: the file is missing or not in this format.
    """
    return open_csr(convert_rows(source, cache, merge=merge).folder, "rows")


def read_points(source: Path, cache: ArtifactStore) -> tuple[csr_array, csr_array]:
    """Read a file of the old format: a header ``points features labels``, then ``l,l,… f:v f:v …`` per point.

    Like :func:`read_rows`; repeated features are summed, repeated labels united.

    Args:
        source: the file, plain or gzip; numbers count from 0, a line without labels starts with a blank.
        cache: where the converted rows are kept.

    Returns:
        (points, features) and (points, labels) float32, memory-mapped and read-only.

    Raises:
        UserError: the file is missing or not in this format.
    """
    folder = convert_points(source, cache).folder
    return open_csr(folder, "features"), open_csr(folder, "labels")


def convert_rows(
    source: Path, cache: ArtifactStore, *, merge: Merge = "sum", chunk_size: int = CHUNK_SIZE
) -> Artifact:
    """Convert a file of the split format, if that has not been done yet; see :func:`read_rows`.

    Returns:
        An artifact with the matrix ``rows``, for ``open_csr`` and ``read_facts``.
    """
    return _convert(
        source, cache, _Format("rows", ("rows", "columns"), {"rows": merge}, parse_rows), chunk_size
    )


def convert_points(source: Path, cache: ArtifactStore, *, chunk_size: int = CHUNK_SIZE) -> Artifact:
    """Convert a file of the old format, if that has not been done yet; see :func:`read_points`.

    Returns:
        An artifact with the matrices ``features`` and ``labels``, for ``open_csr`` and ``read_facts``.
    """
    return _convert(source, cache, _POINTS, chunk_size)


def _convert(source: Path, cache: ArtifactStore, kind: _Format, chunk_size: int) -> Artifact:
    with open_file(source) as file:
        before = os.fstat(file.fileno())
        digest = hashlib.file_digest(file, "sha256").hexdigest()

    def build(folder: Path) -> None:
        _write_matrices(source, folder, kind, chunk_size)
        after = source.stat()
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            raise UserError(
                f"{source}: expected a finished file, found one that changes; read it again later."
            )

    artifact = cache.make(kind.name, {"source": digest, "merge": kind.matrices}, build)
    _warn_of_mended(source, artifact, kind)
    return artifact


def _write_matrices(source: Path, folder: Path, kind: _Format, chunk_size: int) -> None:
    chunks = read_chunks(source, chunk_size)
    (rows, *columns), body = _read_header(next(chunks), source, kind.header)
    with ExitStack() as stack:
        writers = [
            stack.enter_context(CsrWriter(folder, name, count))
            for name, count in zip(kind.matrices, columns, strict=True)
        ]
        for chunk in chain(body, chunks):
            missing = rows - writers[0].facts.rows
            for writer, merge, entries in zip(
                writers, kind.matrices.values(), _parse(chunk, source, kind, columns), strict=True
            ):
                part = mend_rows(_at_most(missing, entries, chunk, source), merge)
                _check_sums(part, chunk, source)
                writer.append(part)
        if (found := writers[0].facts.rows) < rows:
            raise UserError(
                f"{source}, line {found + 1}: expected {rows} rows as line 1 says, found the file's end "
                f"after {found}; fetch the file anew or correct line 1."
            )


def _read_header(chunk: Chunk, source: Path, names: tuple[str, ...]) -> tuple[list[int], list[Chunk]]:
    """Read line 1; give its numbers and what is left of the chunk."""
    line, _, rest = chunk.text.partition(b"\n")
    tokens = line.split()
    numbers = [int(token) for token in tokens if token.isdigit() and len(token) <= len(str(_LARGEST))]
    if not len(tokens) == len(numbers) == len(names) or max(numbers) > _LARGEST:
        raise UserError(
            f"{source}, line 1: expected the header '{' '.join(names)}', {len(names)} numbers up to "
            f"{_LARGEST}, found {_show(line)}; write it there."
        )
    return numbers, [Chunk(rest, 2)] if rest else []


def _parse(chunk: Chunk, source: Path, kind: _Format, columns: list[int]) -> tuple[Entries, ...]:
    try:
        return kind.parse(chunk.text, *columns)
    except ParseError as error:
        line = chunk.first_line + chunk.text.count(b"\n", 0, error.position)
        found = _show(cut_token(chunk.text, error.position))
        raise UserError(
            f"{source}, line {line}: expected {error.expected}, found {found}; {error.mend}."
        ) from error


def _at_most(rows: int, entries: Entries, chunk: Chunk, source: Path) -> Entries:
    """Drop blank lines behind the last row."""
    kept = entries.ends[:rows]
    extra = np.flatnonzero(entries.ends > (kept[-1] if len(kept) else 0))
    if len(entries.ends) > rows and len(extra):
        raise UserError(
            f"{source}, line {chunk.first_line + extra[0]}: expected no more rows than line 1 says, found "
            "another one; correct line 1 or remove the line."
        )
    return entries._replace(ends=kept)


def _check_sums(part: CsrPart, chunk: Chunk, source: Path) -> None:
    if part.repeated_entries and not np.isfinite(part.values).all():
        entry = np.argmin(np.isfinite(part.values))
        row = np.searchsorted(part.ends, entry, side="right")
        raise UserError(
            f"{source}, line {chunk.first_line + row}: expected values of one index that float32 can sum, "
            f"found larger ones at index {part.indices[entry]}; name each index once."
        )


def _warn_of_mended(source: Path, artifact: Artifact, kind: _Format) -> None:
    mended = []
    for name, merge in kind.matrices.items():
        facts = read_facts(artifact.folder, name)
        if facts.unsorted_rows:
            mended.append(f"sorted {facts.unsorted_rows} rows of {name}")
        if facts.repeated_entries:
            how = "their sum" if merge == "sum" else "the largest"
            mended.append(f"merged {facts.repeated_entries} repeated indices of {name} into {how}")
    if mended:
        _log.warning("%s: %s.", source, ", ".join(mended))


def _show(found: bytes) -> str:
    text = found.decode("utf-8", "backslashreplace")
    return ascii(text if len(text) <= _LENGTH_SHOWN else f"{text[:_LENGTH_SHOWN]}…")
