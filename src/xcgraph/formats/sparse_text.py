"""The two sparse text formats of the Extreme Classification Repository, as memory-mapped matrices."""

import logging
from pathlib import Path

from scipy.sparse import csr_array

from xcgraph.formats.canonicalize import Merge
from xcgraph.formats.convert import TextFormat, convert
from xcgraph.formats.lines import CHUNK_SIZE
from xcgraph.formats.parse import parse_points, parse_rows
from xcgraph.storage.artifacts import Artifact, ArtifactStore
from xcgraph.storage.stored_csr import open_csr, read_facts

__all__ = ["convert_points", "convert_rows", "read_points", "read_rows"]

_log = logging.getLogger(__name__)

_POINTS = TextFormat(
    name="points",
    header=("points", "features", "labels"),
    matrices={"features": "sum", "labels": "max"},
    parse=parse_points,
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
        (rows, columns) float32, memory-mapped and read-only. Entries of value 0 are dropped: they say the
        same as none, and would be counted as labels.

    Raises:
        UserError: the file is missing or not in this format.
    """
    return open_csr(convert_rows(source, cache, merge=merge).folder, "rows")


def read_points(source: Path, cache: ArtifactStore) -> tuple[csr_array, csr_array]:
    """Read a ``single_file`` matrix: a header ``points features labels``, then ``l,l,… f:v f:v …`` per point.

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
    kind = TextFormat(name="rows", header=("rows", "columns"), matrices={"rows": merge}, parse=parse_rows)
    artifact = convert(source, cache, kind, chunk_size=chunk_size)
    _warn_of_mended(source, artifact, kind)
    return artifact


def convert_points(source: Path, cache: ArtifactStore, *, chunk_size: int = CHUNK_SIZE) -> Artifact:
    """Convert a file of the single_file layout, if that has not been done yet; see :func:`read_points`.

    Returns:
        An artifact with the matrices ``features`` and ``labels``, for ``open_csr`` and ``read_facts``.
    """
    artifact = convert(source, cache, _POINTS, chunk_size=chunk_size)
    _warn_of_mended(source, artifact, _POINTS)
    return artifact


def _warn_of_mended(source: Path, artifact: Artifact, kind: TextFormat) -> None:
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
