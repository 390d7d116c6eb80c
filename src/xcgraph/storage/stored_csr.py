"""Sparse matrices on disk, written part by part and opened as memory maps."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, no_type_check

import numba
import numpy as np
from numpy.lib import format as npy
from numpy.typing import DTypeLike, NDArray
from scipy.sparse import csr_array

from xcgraph.errors import UserError
from xcgraph.storage.atomic_files import publish
from xcgraph.storage.npz import check_array
from xcgraph.storage.safe_files import open_regular, read_json

__all__ = ["CsrFacts", "CsrPart", "CsrWriter", "open_csr", "read_facts"]

_MAX_INT32 = np.iinfo(np.int32).max
_BLOCK = 1 << 20
_LONGEST_REASON = 300
_MAX_COUNT = 1 << 40  # of rows or entries
_MAX_COLUMNS = np.iinfo(np.int32).max  # indices are int32


class CsrPart(NamedTuple):
    """Some rows in canonical form: indices ascend strictly within a row, and no value is 0.

    Attributes:
        ends: (rows,) int64 number of entries up to the end of each row.
        indices: (nnz,) int32 column numbers.
        values: (nnz,) float32 values.
        unsorted_rows: number of rows that had to be sorted.
        repeated_entries: number of entries that were merged into another entry of the same row and column.
        zero_entries: number of dropped entries with value 0.
    """

    ends: NDArray[np.int64]
    indices: NDArray[np.int32]
    values: NDArray[np.float32]
    unsorted_rows: int = 0
    repeated_entries: int = 0
    zero_entries: int = 0


@dataclass(frozen=True, kw_only=True)
class CsrFacts:
    """Size of a stored matrix, and counts of the corrections that :class:`CsrPart` describes."""

    rows: int
    columns: int
    entries: int
    empty_rows: int
    unsorted_rows: int
    repeated_entries: int
    zero_entries: int


class CsrWriter:
    """Writes rows part by part to ``NAME.{indptr,indices,values}.npy`` and ``NAME.shape.json``.

    The writer is a context manager. At the end, it writes the lengths into the headers of the arrays, and
    then ``NAME.shape.json``. After an exception, it removes all of its files. Row pointers are int64 and
    values float32. Indices are int32, or int64 from 2³¹ entries on: scipy needs indices of the same type as
    row pointers, and would otherwise convert all of them whenever it selects rows.

    Args:
        folder: folder for the files; files of the same name are replaced.
        name: name of the matrix.
        columns: number of columns.
    """

    def __init__(self, folder: Path, name: str, columns: int) -> None:
        self._facts_path = folder / f"{name}.shape.json"
        self._facts_path.unlink(missing_ok=True)
        self._indptr = _GrowingArray(folder / f"{name}.indptr.npy", np.int64)
        self._indices = _GrowingArray(folder / f"{name}.indices.npy", np.int32)
        self._values = _GrowingArray(folder / f"{name}.values.npy", np.float32)
        self._indptr.append(np.zeros(1, np.int64))
        self._columns = columns
        self._corrections = np.zeros(4, np.int64)

    def __enter__(self) -> "CsrWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for array in (self._indptr, self._indices, self._values):
            array.close(keep=error is None)
        if error is None:
            if self._indices.size > _MAX_INT32:
                self._indices.widen()
            self._facts_path.write_text(json.dumps(asdict(self.facts)), "utf-8")

    @property
    def facts(self) -> CsrFacts:
        """Facts about the rows written so far."""
        empty, unsorted, repeated, zeros = self._corrections.tolist()
        return CsrFacts(
            rows=self._indptr.size - 1,
            columns=self._columns,
            entries=self._indices.size,
            empty_rows=empty,
            unsorted_rows=unsorted,
            repeated_entries=repeated,
            zero_entries=zeros,
        )

    def append(self, part: CsrPart) -> None:
        """Append rows."""
        empty_rows = np.count_nonzero(np.diff(part.ends, prepend=0) == 0)
        counts = (empty_rows, part.unsorted_rows, part.repeated_entries, part.zero_entries)
        self._corrections += np.array(counts, np.int64)
        self._indptr.append(part.ends + self._indices.size)
        self._indices.append(part.indices)
        self._values.append(part.values)


class _GrowingArray:
    """A .npy file that grows; numpy pads the header, so the final length fits in its place."""

    def __init__(self, path: Path, dtype: DTypeLike) -> None:
        self._path = path
        self._dtype = np.dtype(dtype)
        self._file = path.open("wb")
        self.size = 0
        self._write_header()

    def append(self, array: NDArray) -> None:
        with publish(self._path):
            self._file.write(np.ascontiguousarray(array, self._dtype).data)
        self.size += len(array)

    def close(self, *, keep: bool) -> None:
        try:
            with publish(self._path):
                if keep:
                    self._file.seek(0)
                    self._write_header()
                self._file.close()
        finally:
            if not keep:
                self._path.unlink()

    def widen(self) -> None:
        """Convert int32 to int64 on disk, block by block."""
        narrow = np.load(self._path, mmap_mode="r", allow_pickle=False)
        wide = _GrowingArray(self._path.with_name(f".{self._path.name}"), np.int64)
        for start in range(0, self.size, _BLOCK):
            wide.append(narrow[start : start + _BLOCK])
        wide.close(keep=True)
        wide._path.replace(self._path)

    def _write_header(self) -> None:
        described = {"descr": self._dtype.str, "fortran_order": False, "shape": (self.size,)}
        npy.write_array_header_1_0(self._file, described)


def open_csr(folder: Path, name: str) -> csr_array:
    """Open the files of :class:`CsrWriter` as a matrix in canonical form, over read-only memory maps.

    Indices and values stay on disk. Row pointers are read into memory, in the type of the indices.

    Raises:
        UserError: the files are not of a stored matrix, or are inconsistent.
    """
    facts = read_facts(folder, name)
    try:
        indptr, indices, values = (
            _map(folder / f"{name}.{part}.npy") for part in ("indptr", "indices", "values")
        )
        _check(facts, indptr, indices, values)
    except Exception as error:  # numpy also raises the errors of Python's tokenizer
        raise _damaged(folder, name, error) from error
    matrix: Any = csr_array((facts.rows, facts.columns), dtype=np.float32)
    # The constructor would copy row pointers or indices to give them the same type.
    matrix.indptr = np.array(indptr, indices.dtype)
    matrix.indices, matrix.data = indices, values
    matrix.has_canonical_format = True
    return matrix


def _map(path: Path) -> NDArray:
    with open_regular(path) as file:
        check_array(file, path.name, path.stat().st_size)
    return np.asarray(npy.open_memmap(path, mode="r"))


def read_facts(folder: Path, name: str) -> CsrFacts:
    """Read the facts of a stored matrix.

    Raises:
        UserError: the file does not contain valid facts.
    """
    try:
        facts = CsrFacts(**read_json(folder / f"{name}.shape.json"))
        if not all(type(value) is int and 0 <= value <= _MAX_COUNT for value in asdict(facts).values()):
            raise ValueError(f"expected counts, found {facts}")
        if facts.columns > _MAX_COLUMNS:
            raise ValueError(f"{facts.columns} columns")
    except (OSError, TypeError, ValueError) as error:
        raise _damaged(folder, name, error) from error
    return facts


def _check(facts: CsrFacts, indptr: NDArray, indices: NDArray, values: NDArray) -> None:
    """Check all indices, because a cache may be untrusted, and compiled loops do not check bounds."""
    dtypes = (indptr.dtype == np.int64, indices.dtype in (np.int32, np.int64), values.dtype == np.float32)
    shapes = (indptr.shape, indices.shape, values.shape)
    expected = ((facts.rows + 1,), (facts.entries,), (facts.entries,))
    if not all(dtypes) or shapes != expected:
        raise ValueError(f"expected {facts.rows} rows and {facts.entries} entries, found {shapes}")
    ascends = indptr[0] == 0 and indptr[-1] == facts.entries and bool((indptr[1:] >= indptr[:-1]).all())
    if not ascends or not is_canonical(indptr, indices, facts.columns):
        raise ValueError(f"expected ascending indices below {facts.columns}, found others")


@numba.njit(cache=True)
@no_type_check
def is_canonical(indptr: NDArray[np.int64], indices: NDArray, columns: int) -> bool:
    """Return whether the indices of each row ascend strictly and lie in [0, columns)."""
    for row in range(len(indptr) - 1):
        before = -1
        for entry in range(indptr[row], indptr[row + 1]):
            if indices[entry] <= before or indices[entry] >= columns:
                return False
            before = indices[entry]
    return True


def _damaged(folder: Path, name: str, error: Exception) -> UserError:
    return UserError(
        f"{folder / name}: expected a stored matrix, found {str(error)[:_LONGEST_REASON]}; remove the "
        "folder, and it is written again."
    )
