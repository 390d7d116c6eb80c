"""Write sparse rows to the text formats of the repository, block by block and without loss of precision.

A file appears under its name only when it is complete.
"""

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
_GZIP_LEVEL = 6  # level 9 takes five times as long and saves one percent


def write_rows(path: Path, matrix: csr_array) -> None:
    """Write a file of the layout ``split``: a header ``rows columns``, then ``index:value …`` for each row.

    Values are written as float32, with the fewest digits that give the same bits when read. Entries of value
    0 are left out. The file is compressed if its name ends with ``.gz``.

    Args:
        path: where to write; an existing file is replaced.
        matrix: (rows, columns) finite values; read block by block, for example from a memory map.

    Raises:
        ValueError: a value is NaN or infinite.
    """
    with RowsWriter(path, rows=matrix.shape[0], columns=matrix.shape[1]) as writer:
        for rows in _blocks(matrix):
            writer.append(matrix[rows])


def write_points(path: Path, features: csr_array, labels: csr_array) -> None:
    """Write a file of the layout ``single_file``.

    The header is ``points features labels``. Then each point has a line ``label,label,… feature:value …``; a
    line without labels starts with a space. See :func:`write_rows` for the rest.

    Args:
        path: where to write; an existing file is replaced.
        features: (points, features) finite values.
        labels: (points, labels) ones; the format has no values for labels.

    Raises:
        ValueError: the numbers of points differ, or a label has a value other than 1.
    """
    if features.shape[0] != labels.shape[0]:
        raise ValueError(f"Expected labels of {features.shape[0]} points, found {labels.shape[0]}.")
    with TextFile(path) as file:
        file.write(f"{features.shape[0]} {features.shape[1]} {labels.shape[1]}\n".encode())
        for rows in _blocks(features):
            file.write(points_text(features[rows], labels[rows]))


class RowsWriter:
    """Writes a file of the layout ``split`` part by part; see :func:`write_rows`.

    Use it as a context manager: the file appears at its end, unless there was an exception.

    Args:
        path: where to write; an existing file is replaced.
        rows: total number of rows, for the header.
        columns: number of columns.

    Raises:
        ValueError: at the end, if the number of rows is wrong.
    """

    def __init__(self, path: Path, *, rows: int, columns: int) -> None:
        self._file = TextFile(path)
        self._shape = (rows, columns)
        self._rows_written = 0
        self._file.write(f"{rows} {columns}\n".encode())

    def append(self, matrix: csr_array) -> None:
        """Write more rows.

        Args:
            matrix: (rows, columns) finite values.

        Raises:
            ValueError: a value is NaN or infinite, or the number of columns is wrong.
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
    """A text file for writing, compressed if its name ends with ``.gz``.

    The text goes to a draft, which gets the name of the file when it is complete.

    Use it as a context manager: the file appears at its end, unless there was an exception.

    Args:
        path: where to write; an existing file is replaced.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._draft = path.with_name(f".{path.name}.{os.getpid()}")
        self._raw = self._draft.open("wb")
        self._text: BufferedWriter | gzip.GzipFile = self._raw
        if path.suffix == ".gz":  # no name and no time: the same content gives the same bytes
            self._text = gzip.GzipFile("", "wb", _GZIP_LEVEL, self._raw, mtime=0)

    def write(self, text: bytes) -> None:
        """Write more text."""
        with publish(self._path):
            self._text.write(text)

    def close(self, *, keep: bool) -> None:
        """Give the draft the name of the file, or remove it."""
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
    """Yield slices of rows with about equally many entries."""
    start = 0
    while start < matrix.shape[0]:
        full = np.searchsorted(matrix.indptr, int(matrix.indptr[start]) + _ENTRIES_PER_BLOCK, side="right")
        stop = min(max(start + 1, int(full) - 1), matrix.shape[0])
        yield slice(start, stop)
        start = stop
