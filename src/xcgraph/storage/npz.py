"""Read arrays from untrusted npz files: without pickle, with checked indices, and without zip bombs."""

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

# A large file with a higher compression ratio is treated as a zip bomb; real sparse matrices shrink to about
# a third.
_MAX_COMPRESSION = 100
_ALWAYS_ACCEPTED_BYTES = 64 << 20
_MAX_MEMBERS = 1000
# A few bytes can declare any number of rows, and conversions between formats take time for each row.
_ALWAYS_ACCEPTED_ROWS = 10_000_000
_MAX_COLUMNS = np.iinfo(np.int32).max
_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
_DTYPES = tuple(map(np.dtype, "?bBhHiIlLqQfd"))  # the types that scipy can compute with
_LONGEST_REASON = 200
_MATRIX = "a sparse matrix as scipy.sparse.save_npz writes it"


def load_arrays(path: Path) -> dict[str, NDArray]:
    """Read named arrays of numbers or texts.

    Raises:
        FileNotFoundError: the file does not exist.
        UserError: the file is not a file of ``numpy.savez``, or contains Python objects.
    """
    with (
        _opened(path, "arrays as numpy.savez writes them") as (file, _),
        np.load(file, allow_pickle=False) as arrays,
    ):
        return dict(arrays)


def load_csr(path: Path) -> csr_array:
    """Read a sparse matrix in CSR form; see :func:`load_coo`."""
    with _opened(path, _MATRIX) as (file, unpacked):
        return csr_array(_checked(load_npz(file), unpacked))


def load_coo(path: Path) -> coo_array:
    """Read a sparse matrix and check all of its indices, because compiled loops do not check them.

    Duplicate entries stay as they are.

    Raises:
        FileNotFoundError: the file does not exist.
        UserError: the file is not a file of ``scipy.sparse.save_npz``.
    """
    with _opened(path, _MATRIX) as (file, unpacked):
        return coo_array(_checked(load_npz(file), unpacked))


def _checked(matrix: sparray | spmatrix, unpacked: int) -> sparray | spmatrix:
    """Check a matrix that scipy has loaded without checks.

    Raises:
        ValueError: an index is out of bounds, or the shape or the dtype is not supported.
    """
    if hasattr(matrix, "check_format"):
        matrix.check_format(full_check=True)
    # scipy does not check this if the last pointer is 0 or less. A difference could overflow.
    if hasattr(matrix, "indptr") and (matrix.indptr[1:] < matrix.indptr[:-1]).any():
        raise ValueError("row pointers that descend")
    max_rows = max(_ALWAYS_ACCEPTED_ROWS, unpacked)
    if len(matrix.shape) != 2 or matrix.shape[0] > max_rows or matrix.shape[1] > _MAX_COLUMNS:
        raise ValueError(f"shape {matrix.shape}")
    if matrix.dtype not in _DTYPES:
        raise ValueError(f"values of {matrix.dtype}")
    return matrix


@contextlib.contextmanager
def _opened(path: Path, expected: str) -> Iterator[tuple[BufferedReader, int]]:
    """Open an archive after checking its arrays; also return their total number of bytes."""
    try:
        with open_regular(path) as file:
            with zipfile.ZipFile(file) as archive:
                unpacked = _check_members(archive, path.stat().st_size)
            file.seek(0)
            yield file, unpacked
    except FileNotFoundError:
        raise
    except Exception as error:  # zipfile, zlib, numpy and scipy raise many types
        reason = str(error)[:_LONGEST_REASON]
        raise UserError(
            f"{path}: expected {expected}, found another file ({reason}); download or write it again."
        ) from error


def _check_members(archive: zipfile.ZipFile, size: int) -> int:
    """Return the number of unpacked bytes of an archive; refuse zip bombs and false headers.

    Raises:
        ValueError: the archive unpacks to too many bytes, or a member is not an array.
    """
    members = archive.infolist()
    unpacked = sum(member.file_size for member in members)
    if len(members) > _MAX_MEMBERS or unpacked > max(_ALWAYS_ACCEPTED_BYTES, _MAX_COMPRESSION * size):
        raise ValueError(f"{len(members)} arrays of {unpacked} bytes in {size}")
    for member in members:
        with archive.open(member) as file:
            check_array(file, member.filename, member.file_size)
    return unpacked


def check_array(file: IO[bytes] | BufferedIOBase, name: str, size: int) -> None:
    """Check the header of an array file of ``size`` bytes, because numpy trusts the header.

    Raises:
        ValueError: it is not an array of numbers or texts, or its header does not match its size.
    """
    version = npy.read_magic(file)
    if version not in _HEADERS:
        raise ValueError(f"{name}: version {version}")
    shape, _, dtype = _HEADERS[version](file)
    if dtype.kind not in "biufSU" or dtype.itemsize == 0:
        raise ValueError(f"{name}: an array of {dtype}, Python objects or another unsupported type")
    declared = math.prod(shape) * dtype.itemsize + file.tell()
    if min(shape, default=0) < 0 or declared != size:
        raise ValueError(f"{name}: shape {shape} in {size} bytes")
