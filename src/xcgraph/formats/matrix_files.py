"""A sparse matrix from a text file or from scipy's npz, memory-mapped either way."""

import logging
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.sparse import coo_array, csr_array

from xcgraph.errors import UserError
from xcgraph.formats.canonicalize import Merge, canonicalize_rows
from xcgraph.formats.folder_files import content_hash
from xcgraph.formats.parsed_rows import Entries
from xcgraph.formats.sparse_text import read_rows
from xcgraph.formats.write import write_rows
from xcgraph.storage.artifacts import ArtifactStore, save_csr
from xcgraph.storage.npz import load_coo
from xcgraph.storage.stored_csr import CsrWriter, open_csr

__all__ = ["FileMatrix", "binary_labels", "read_matrix", "write_predictions"]

_log = logging.getLogger(__name__)


class FileMatrix(NamedTuple):
    """A matrix and the file that it came from."""

    matrix: csr_array
    source: Path


def read_matrix(source: Path, cache: ArtifactStore, *, merge: Merge = "sum") -> FileMatrix:
    """Read a sparse matrix: scipy's if the file is named ``*.npz``, else text in the split format.

    Args:
        source: the file; nothing in it is ever unpickled.
        cache: where the converted matrix is kept.
        merge: what becomes of entries that are there twice.

    Returns:
        (rows, columns) float32 in canonical form, memory-mapped and read-only.

    Raises:
        UserError: the file is missing, damaged, or something else.
    """
    if source.suffix != ".npz":
        return FileMatrix(read_rows(source, cache, merge=merge), source)
    inputs = {"source": content_hash(source), "merge": merge}
    artifact = cache.make("npz", inputs, lambda folder: _convert_npz(source, folder, merge))
    return FileMatrix(open_csr(artifact.folder, "rows"), source)


def binary_labels(labels: FileMatrix) -> csr_array:
    """Return (points, labels) with the value 1 everywhere; metrics and graphs know labels, not relevances.

    Only if other values have to be replaced, the values are held in memory.

    Raises:
        UserError: a value is negative.
    """
    matrix, source = labels
    negative = np.flatnonzero(matrix.data < 0)
    if len(negative):
        point = np.searchsorted(matrix.indptr, negative[0], side="right") - 1
        raise UserError(
            f"{source}: expected labels with positive values, found {matrix.data[negative[0]]} for label "
            f"{matrix.indices[negative[0]]} of point {point}; leave out what is no label of the point."
        )
    others = np.count_nonzero(matrix.data != 1)
    if others:
        _log.warning("%s: %d labels have another value than 1: read as 1.", source, others)
        matrix.data = np.ones(matrix.nnz, np.float32)
    return matrix


def write_predictions(path: Path, scores: csr_array) -> None:
    """Write scores for ``xcgraph-evaluate`` and for other tools.

    Args:
        path: where to write: ``.npz`` as :func:`scipy.sparse.load_npz` reads it, ``.txt`` or ``.txt.gz`` in
            the split format, a header ``points labels``, then ``label:score …`` per point.
        scores: (points, labels), a few per row.

    Raises:
        UserError: another ending.
    """
    if path.suffix == ".npz":
        save_csr(path, scores)
    elif path.name.endswith((".txt", ".txt.gz")):
        write_rows(path, scores)
    else:
        raise UserError(f"{path}: expected a name that ends with .npz, .txt or .txt.gz; choose one of them.")


def _convert_npz(source: Path, folder: Path, merge: Merge) -> None:
    matrix = load_coo(source)
    part = canonicalize_rows(_entries(matrix), merge)
    if not np.isfinite(part.values).all():
        raise UserError(f"{source}: expected finite values, found NaN or infinity; write the file without.")
    with CsrWriter(folder, "rows", matrix.shape[1]) as writer:
        writer.append(part)


def _entries(matrix: coo_array) -> Entries:
    """Give the entries by rows; what is there twice stays there twice, unlike with scipy's conversion."""
    order = np.argsort(matrix.row, kind="stable")
    with np.errstate(over="ignore"):  # becomes infinite
        values = matrix.data[order].astype(np.float32)
    return Entries(
        ends=np.cumsum(np.bincount(matrix.row, minlength=matrix.shape[0])),
        indices=matrix.col[order].astype(np.int32),
        values=values,
    )
