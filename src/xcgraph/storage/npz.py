"""Arrays from npz files, which may come from anybody: no pickle, no index outside, no bomb."""

import contextlib
import math
import zipfile
from collections.abc import Iterator
from io import BufferedIOBase, BufferedReader
from pathlib import Path
from typing import IO

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array, load_npz, sparray, spmatrix

from xcgraph.errors import UserError
from xcgraph.storage.safe_files import open_regular

# What is packed tighter, and is large, was made to fill the memory: sparse matrices pack to a third or so.
_MOST_UNPACKED = 100
_SURELY_FITS = 64 << 20
_MOST_MEMBERS = 1000
# A few bytes can declare any number of rows, which conversions between formats then count through.
_ROWS_SURELY_FIT = 10_000_000
_MOST_COLUMNS = np.iinfo(np.int32).max
_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
_DTYPES = tuple(map(np.dtype, "?bBhHiIlLqQfd"))  # what scipy's loops compute with
_LONGEST_REASON = 200
_MATRIX = "a sparse matrix as scipy.sparse.save_npz writes it"


def load_arrays(path: Path) -> dict[str, NDArray]:
    """Read named arrays of numbers or texts.

    Raises:
        FileNotFoundError: there is no such file.
        UserError: it is something else than ``numpy.savez`` writes, or holds Python objects.
    """
    with (
        _opened(path, "arrays as numpy.savez writes them") as (file, _),
        np.load(file, allow_pickle=False) as arrays,
    ):
        return dict(arrays)


def load_csr(path: Path) -> csr_array:
    """Read a sparse matrix as rows; see :func:`load_coo`."""
    with _opened(path, _MATRIX) as (file, unpacked):
        return csr_array(_checked(load_npz(file), unpacked))


def load_coo(path: Path) -> coo_array:
    """Read a sparse matrix whose every index lies within: compiled loops trust them.

    Entries that are there twice stay there twice.

    Raises:
        FileNotFoundError: there is no such file.
        UserError: it is something else than ``scipy.sparse.save_npz`` writes.
    """
    with _opened(path, _MATRIX) as (file, unpacked):
        return coo_array(_checked(load_npz(file), unpacked))


def _checked(matrix: sparray | spmatrix, unpacked: int) -> sparray | spmatrix:
    """Return a matrix that scipy has loaded, without a pickle, but not looked at.

    Raises:
        ValueError: an index lies outside, or it is of a size or type that nothing here takes.
    """
    if hasattr(matrix, "check_format"):
        matrix.check_format(full_check=True)
    # scipy does not look where the last is 0 or less; a difference could overflow.
    if hasattr(matrix, "indptr") and (matrix.indptr[1:] < matrix.indptr[:-1]).any():
        raise ValueError("row pointers that descend")
    most = max(_ROWS_SURELY_FIT, unpacked)
    if len(matrix.shape) != 2 or matrix.shape[0] > most or matrix.shape[1] > _MOST_COLUMNS:
        raise ValueError(f"shape {matrix.shape}")
    if matrix.dtype not in _DTYPES:
        raise ValueError(f"values of {matrix.dtype}")
    return matrix


@contextlib.contextmanager
def _opened(path: Path, expected: str) -> Iterator[tuple[BufferedReader, int]]:
    """Open an archive of arrays that are what they declare; also say how many bytes these are."""
    try:
        with open_regular(path) as file:
            with zipfile.ZipFile(file) as archive:
                unpacked = _check_members(archive, path.stat().st_size)
            file.seek(0)
            yield file, unpacked
    except FileNotFoundError:
        raise
    except Exception as error:  # zipfile, zlib, numpy and scipy raise a dozen kinds
        reason = str(error)[:_LONGEST_REASON]
        raise UserError(
            f"{path}: expected {expected}, found another file ({reason}); fetch or write it anew."
        ) from error


def _check_members(archive: zipfile.ZipFile, size: int) -> int:
    """Count unpacked bytes; refuse far more of them than the file's size, and declarations of more.

    Raises:
        ValueError: a member is no such array.
    """
    members = archive.infolist()
    unpacked = sum(member.file_size for member in members)
    if len(members) > _MOST_MEMBERS or unpacked > max(_SURELY_FITS, _MOST_UNPACKED * size):
        raise ValueError(f"{len(members)} arrays of {unpacked} bytes in {size}")
    for member in members:
        with archive.open(member) as file:
            check_array(file, member.filename, member.file_size)
    return unpacked


def check_array(file: IO[bytes] | BufferedIOBase, name: str, size: int) -> None:
    """Look at the header of an array, ``size`` bytes long with it: numpy trusts what it declares.

    Raises:
        ValueError: it is no array of numbers or texts, or declares more or less than is there.
    """
    version = npy.read_magic(file)
    if version not in _HEADERS:
        raise ValueError(f"{name}: version {version}")
    shape, _, dtype = _HEADERS[version](file)
    if dtype.kind not in "biufSU" or dtype.itemsize == 0:
        raise ValueError(f"{name}: an array of {dtype}, Python objects or other things")
    declared = math.prod(shape) * dtype.itemsize + file.tell()
    if min(shape, default=0) < 0 or declared != size:
        raise ValueError(f"{name}: shape {shape} in {size} bytes")
