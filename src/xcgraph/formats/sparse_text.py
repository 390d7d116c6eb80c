"""Read the two sparse text formats of the Extreme Classification Repository as memory-mapped matrices."""

import logging
from pathlib import Path

from scipy.sparse import csr_array

from xcgraph.formats.canonicalize import Merge
from xcgraph.formats.convert import TextFormat, convert, read_header
from xcgraph.formats.lines import CHUNK_SIZE
from xcgraph.formats.parse import parse_points, parse_rows
from xcgraph.storage.artifacts import Artifact, ArtifactStore
from xcgraph.storage.stored_csr import open_csr, read_facts

__all__ = ["convert_points", "convert_rows", "read_points", "read_row_count", "read_rows"]

_log = logging.getLogger(__name__)

_POINTS = TextFormat(
    name="points",
    header=("points", "features", "labels"),
    matrices={"features": "sum", "labels": "max"},
    parse=parse_points,
)


def read_rows(source: Path, cache: ArtifactStore, *, merge: Merge = "sum") -> csr_array:
    """Read a file of the layout ``split``: a header ``rows columns``, then ``index:value …`` for each row.

    The file is converted once; later calls take the rows from the cache. One warning lists what was sorted
    and merged.

    Args:
        source: the file, plain or gzip. Indices start at 0; an empty line is an empty row.
        cache: store that keeps the converted rows.
        merge: how to merge the values of an index that a row repeats: ``sum`` for features, ``max`` for
            labels.

    Returns:
        (rows, columns) float32, memory-mapped and read-only, without entries of value 0. Such entries would
        otherwise be counted as labels.

    Raises:
        UserError: the file is missing or not in this format.
    """
    return open_csr(convert_rows(source, cache, merge=merge).folder, "rows")


def read_row_count(source: Path) -> int:
    """Return the number of rows in the header of a file of the layout ``split``.

    Raises:
        UserError: the file is missing or has no such header.
    """
    return read_header(source, _rows_format("sum"))[0]


def read_points(source: Path, cache: ArtifactStore) -> tuple[csr_array, csr_array]:
    """Read a file of the layout ``single_file``.

    The header is ``points features labels``. Then each point has a line ``label,label,… feature:value …``.
    Repeated features are summed; a repeated label counts once. See :func:`read_rows` for the rest.

    Args:
        source: the file, plain or gzip. Numbers start at 0; a line without labels starts with a space.
        cache: store that keeps the converted rows.

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
    """Convert a file of the layout ``split``, unless the cache has it already; see :func:`read_rows`.

    Returns:
        An artifact with the matrix ``rows``, for ``open_csr`` and ``read_facts``.
    """
    kind = _rows_format(merge)
    artifact = convert(source, cache, kind, chunk_size=chunk_size)
    _warn_of_repairs(source, artifact, kind)
    return artifact


def convert_points(source: Path, cache: ArtifactStore, *, chunk_size: int = CHUNK_SIZE) -> Artifact:
    """Convert a file of the layout ``single_file``, unless the cache has it already; see :func:`read_points`.

    Returns:
        An artifact with the matrices ``features`` and ``labels``, for ``open_csr`` and ``read_facts``.
    """
    artifact = convert(source, cache, _POINTS, chunk_size=chunk_size)
    _warn_of_repairs(source, artifact, _POINTS)
    return artifact


def _rows_format(merge: Merge) -> TextFormat:
    return TextFormat(name="rows", header=("rows", "columns"), matrices={"rows": merge}, parse=parse_rows)


def _warn_of_repairs(source: Path, artifact: Artifact, kind: TextFormat) -> None:
    repairs = []
    for name, merge in kind.matrices.items():
        facts = read_facts(artifact.folder, name)
        if facts.unsorted_rows:
            repairs.append(f"sorted {facts.unsorted_rows} rows of {name}")
        if facts.repeated_entries:
            how = "their sum" if merge == "sum" else "the largest"
            repairs.append(f"merged {facts.repeated_entries} repeated indices of {name} into {how}")
    if repairs:
        _log.warning("%s: %s.", source, ", ".join(repairs))
