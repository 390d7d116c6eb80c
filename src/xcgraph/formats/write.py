"""Sparse rows to the repository's text files: block by block, to the bit, and never half of a file."""

import gzip
import os
from collections.abc import Iterator
from io import BufferedWriter
from pathlib import Path
from types import TracebackType

import numpy as np
from scipy.sparse import csr_array

from xcgraph.formats.text_rows import points_text, rows_text
from xcgraph.storage.atomic_files import publish

__all__ = ["RowsWriter", "TextFile", "write_points", "write_rows"]

_ENTRIES_PER_BLOCK = 1 << 19
_GZIP_LEVEL = 6  # 9 takes five times as long for one hundredth less


def write_rows(path: Path, matrix: csr_array) -> None:
    """Write a file of the split format: a header ``rows columns``, then ``index:value …`` per row.

    Values are written as float32, with the fewest digits that lead back to the same bits; entries of value 0
    are left out. The file is there when it is complete, and is gzip if its name ends with ``.gz``.

    Args:
        path: where to write; replaced if it is there.
        matrix: (rows, columns) finite values; may be memory-mapped, is read block by block.

    Raises:
        ValueError: a value is NaN or infinite.
    """
    with RowsWriter(path, rows=matrix.shape[0], columns=matrix.shape[1]) as writer:
        for rows in _blocks(matrix):
            writer.append(matrix[rows])


def write_points(path: Path, features: csr_array, labels: csr_array) -> None:
    """Write a file of the single_file layout: ``points features labels``, then ``l,l,… f:v f:v …`` per point.

    Like :func:`write_rows`. A line without labels starts with a blank.

    Args:
        path: where to write; replaced if it is there.
        features: (points, features) finite values.
        labels: (points, labels) ones, for the format has no values of labels.

    Raises:
        ValueError: the numbers of points differ, or a label has another value than 1.
    """
    if features.shape[0] != labels.shape[0]:
        raise ValueError(f"Expected labels of {features.shape[0]} points, found {labels.shape[0]}.")
    with TextFile(path) as file:
        file.write(f"{features.shape[0]} {features.shape[1]} {labels.shape[1]}\n".encode())
        for rows in _blocks(features):
            file.write(points_text(features[rows], labels[rows]))


class RowsWriter:
    """Writes a file of the split format part by part; see :func:`write_rows`.

    A context manager: the file appears when it ends well.

    Args:
        path: where to write; replaced if it is there.
        rows: how many rows there will be; the header says so before they come.
        columns: the number of columns.

    Raises:
        ValueError: at the end, the number of rows is another.
    """

    def __init__(self, path: Path, *, rows: int, columns: int) -> None:
        self._file = TextFile(path)
        self._shape = (rows, columns)
        self._rows_written = 0
        self._file.write(f"{rows} {columns}\n".encode())

    def append(self, matrix: csr_array) -> None:
        """Write some more rows.

        Args:
            matrix: (some rows, columns) finite values.

        Raises:
            ValueError: a value is NaN or infinite, or the number of columns is another.
        """
        if matrix.shape[1] != self._shape[1]:
            raise ValueError(f"Expected {self._shape[1]} columns, found {matrix.shape[1]}.")
        self._file.write(rows_text(matrix))
        self._rows_written += matrix.shape[0]

    def __enter__(self) -> "RowsWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        is_complete = self._rows_written == self._shape[0]
        self._file.close(keep=error is None and is_complete)
        if error is None and not is_complete:
            raise ValueError(f"Expected {self._shape[0]} rows, found {self._rows_written}.")


class TextFile:
    """A text file, gzip if its name ends with ``.gz``; a draft that takes the name when it is complete.

    A context manager: the file appears when it ends well.

    Args:
        path: where to write; replaced if it is there.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._draft = path.with_name(f".{path.name}.{os.getpid()}")
        self._raw = self._draft.open("wb")
        self._text: BufferedWriter | gzip.GzipFile = self._raw
        if path.suffix == ".gz":  # without name and time, so that equal content gives equal bytes
            self._text = gzip.GzipFile("", "wb", _GZIP_LEVEL, self._raw, mtime=0)

    def write(self, text: bytes) -> None:
        """Write some more text."""
        with publish(self._path):
            self._text.write(text)

    def close(self, *, keep: bool) -> None:
        """Give the file its name, or remove it."""
        try:
            with publish(self._path), self._raw:
                if self._text is not self._raw:
                    self._text.close()
                self._raw.flush()
                os.fsync(self._raw.fileno())
            if keep:
                self._draft.replace(self._path)
        finally:
            self._draft.unlink(missing_ok=True)

    def __enter__(self) -> "TextFile":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(keep=error is None)


def _blocks(matrix: csr_array) -> Iterator[slice]:
    """Cut rows into slices of about as many entries."""
    start = 0
    while start < matrix.shape[0]:
        full = np.searchsorted(matrix.indptr, int(matrix.indptr[start]) + _ENTRIES_PER_BLOCK, side="right")
        stop = min(max(start + 1, int(full) - 1), matrix.shape[0])
        yield slice(start, stop)
        start = stop
