"""Read sparse matrices from text files or from SciPy's npz files, as memory maps; write predictions."""

import logging
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.sparse import coo_array, csr_array

from xcgraph.errors import UserError
from xcgraph.formats.canonicalize import Merge, canonicalize_rows
from xcgraph.formats.folder_files import content_hash
from xcgraph.formats.parsed_rows import Entries
from xcgraph.formats.sparse_text import read_row_count, read_rows
from xcgraph.formats.write import write_rows
from xcgraph.storage.artifacts import ArtifactStore, save_csr
from xcgraph.storage.npz import load_coo
from xcgraph.storage.stored_csr import CsrWriter, open_csr

__all__ = ["FileMatrix", "binary_labels", "read_matrix", "read_num_rows", "widest", "write_predictions"]

_log = logging.getLogger(__name__)


class FileMatrix(NamedTuple):
    """A matrix and the file that it was read from."""

    matrix: csr_array
    source: Path


def read_matrix(source: Path, cache: ArtifactStore, *, merge: Merge = "sum") -> FileMatrix:
    """Read a sparse matrix: SciPy's format if the file is named ``*.npz``, else the text format ``split``.

    Args:
        source: the file; nothing in it is ever unpickled.
        cache: store that keeps the converted matrix.
        merge: how to merge repeated entries.

    Returns:
        (rows, columns) float32 in canonical form, memory-mapped and read-only.

    Raises:
        UserError: the file is missing, damaged, or not a sparse matrix.
    """
    if source.suffix != ".npz":
        return FileMatrix(read_rows(source, cache, merge=merge), source)
    inputs = {"source": content_hash(source), "merge": merge}
    artifact = cache.make("npz", inputs, lambda folder: _convert_npz(source, folder, merge))
    return FileMatrix(open_csr(artifact.folder, "rows"), source)


def read_num_rows(source: Path) -> int:
    """Return the number of rows of a sparse matrix, without converting it.

    Raises:
        UserError: the file is missing, or an npz file or a header is damaged.
    """
    return int(load_coo(source).shape[0]) if source.suffix == ".npz" else read_row_count(source)


def widest(*files: FileMatrix) -> int:
    """Return the largest number of columns of some matrices."""
    return max(int(matrix.shape[1]) for matrix, _ in files)


def binary_labels(labels: FileMatrix) -> csr_array:
    """Return (points, labels) with every value set to 1, because metrics and graphs need binary labels.

    The values stay on disk if all of them are 1 already.

    Raises:
        UserError: a value is negative.
    """
    matrix, source = labels
    negative = np.flatnonzero(matrix.data < 0)
    if len(negative):
        point = np.searchsorted(matrix.indptr, negative[0], side="right") - 1
        raise UserError(
            f"{source}: expected labels with positive values, found {matrix.data[negative[0]]} for label "
            f"{matrix.indices[negative[0]]} of point {point}; remove labels that the point does not have."
        )
    others = np.count_nonzero(matrix.data != 1)
    if others:
        _log.warning("%s: %d labels have another value than 1: read as 1.", source, others)
        matrix.data = np.ones(matrix.nnz, np.float32)
    return matrix


def write_predictions(path: Path, scores: csr_array) -> None:
    """Write scores for ``xcgraph-evaluate`` and for other tools.

    Args:
        path: where to write: ``.npz`` for :func:`scipy.sparse.load_npz`, or ``.txt`` or ``.txt.gz`` for the
            text format ``split``, a header ``points labels`` and one line ``label:score …`` per point.
        scores: (points, labels) with a few scores in each row.

    Raises:
        UserError: the name has another ending.
    """
    if path.suffix == ".npz":
        save_csr(path, scores)
    elif path.name.endswith((".txt", ".txt.gz")):
        write_rows(path, scores)
    else:
        raise UserError(
            f"{path}: expected a name that ends with .npz, .txt or .txt.gz, found {path.name}; choose one of "
            "these endings."
        )


def _convert_npz(source: Path, folder: Path, merge: Merge) -> None:
    matrix = load_coo(source)
    part = canonicalize_rows(_entries(matrix), merge)
    if not np.isfinite(part.values).all():
        raise UserError(
            f"{source}: expected finite values, found NaN or infinity; replace these values and write the "
            "file again."
        )
    with CsrWriter(folder, "rows", matrix.shape[1]) as writer:
        writer.append(part)


def _entries(matrix: coo_array) -> Entries:
    """Return the entries row by row. Repeated entries are kept; SciPy's own conversion would add them up."""
    order = np.argsort(matrix.row, kind="stable")
    with np.errstate(over="ignore"):  # a value that overflows becomes infinite, and is refused later
        values = matrix.data[order].astype(np.float32)
    return Entries(
        ends=np.cumsum(np.bincount(matrix.row, minlength=matrix.shape[0])),
        indices=matrix.col[order].astype(np.int32),
        values=values,
    )
