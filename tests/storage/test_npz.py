"""Untrusted archives of arrays: headers are checked before memory is allocated."""

import io
import zipfile

import numpy as np
import pytest
from scipy.sparse import coo_array, csr_array, save_npz

from xcgraph.errors import UserError
from xcgraph.memory import peak_memory_mib
from xcgraph.storage.npz import load_arrays, load_coo, load_csr

from ..fuzz.arrays import npz_bytes


def declaring(shape, dtype="<f4"):
    """Return an array file of eight bytes with a false header."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": dtype, "fortran_order": False, "shape": shape})
    return file.getvalue() + bytes(8)


def pack(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)


@pytest.mark.parametrize("load", [load_arrays, load_csr, load_coo])
@pytest.mark.parametrize("shape", [(10**12,), (2**62, 2**62), (-1,), (3,), (0, 2**63)])
def test_array_that_differs_from_its_header_is_refused(tmp_path, load, shape):
    pack(tmp_path / "a.npz", {name: declaring(shape) for name in ("data", "indices", "indptr", "shape")})
    before = peak_memory_mib()

    with pytest.raises(UserError, match=r"a\.npz: expected .*, found another file \(.*; download or write"):
        load(tmp_path / "a.npz")
    assert peak_memory_mib() < before + 200


def test_zip_bomb_is_refused_before_unpacking(tmp_path):
    zeros = io.BytesIO()
    np.save(zeros, np.zeros(80 << 17))  # 80 MiB
    pack(tmp_path / "a.npz", {"a": zeros.getvalue()})
    assert (tmp_path / "a.npz").stat().st_size < 1 << 17

    with pytest.raises(UserError, match=r"1 arrays of \d+ bytes in \d+"):
        load_arrays(tmp_path / "a.npz")


def test_highly_compressible_matrix_is_accepted(tmp_path):
    matrix = csr_array(np.ones((300, 200), np.float32))
    save_npz(tmp_path / "a.npz", matrix, compressed=True)

    assert (load_csr(tmp_path / "a.npz") != matrix).nnz == 0


@pytest.mark.parametrize("kind", ["coo", "csc"])
def test_huge_declared_shape_is_refused(tmp_path, kind):
    matrix = coo_array(([1.0], ([5], [0])), shape=(2**31 - 2, 1))
    save_npz(tmp_path / "a.npz", matrix if kind == "coo" else matrix.tocsc())

    with pytest.raises(UserError, match=r"found another file \(shape \(2147483646, 1\)\)"):
        load_coo(tmp_path / "a.npz")


@pytest.mark.parametrize(
    "indptr", [[0, 1 << 40, 1], [0, 2, 1], [-1, 0, 1], [0, 1, 0], [0, 1, -1], [0, 1, -(2**63)]]
)
def test_index_out_of_bounds_is_refused(tmp_path, indptr):
    arrays = {"data": np.ones(1), "indices": np.zeros(1, int), "indptr": np.array(indptr), "shape": [2, 2]}
    np.savez(tmp_path / "a.npz", format=np.array(b"csr"), **arrays)

    with pytest.raises(UserError, match="expected a sparse matrix as scipy"):
        load_csr(tmp_path / "a.npz")


@pytest.mark.parametrize("load", [load_csr, load_coo])
@pytest.mark.parametrize("indptr", [[0, 5, 2], [0, 2, 1], [2, 0, 2], [0, -1, 2]])
def test_descending_row_pointers_are_refused(tmp_path, load, indptr):
    arrays = {"data": np.ones((2, 1, 2)), "indices": [0, 1], "indptr": indptr, "shape": [2, 4]}
    np.savez(tmp_path / "a.npz", format=np.array(b"bsr"), **arrays)

    with pytest.raises(UserError, match="expected a sparse matrix as scipy"):
        load(tmp_path / "a.npz")


@pytest.mark.parametrize("dtype", [np.float16, np.longdouble, np.complex64, "S1"])
def test_unsupported_dtype_is_refused(tmp_path, dtype):
    arrays = {"data": np.ones(1).astype(dtype), "indices": [0], "indptr": [0, 1], "shape": [1, 1]}
    np.savez(tmp_path / "a.npz", format=np.array(b"csr"), **arrays)

    with pytest.raises(UserError, match="expected a sparse matrix as scipy"):
        load_csr(tmp_path / "a.npz")


def test_long_reason_is_truncated(tmp_path):
    name = np.array("x" * 100_000)
    (tmp_path / "a.npz").write_bytes(npz_bytes({"format.npy": name}))

    with pytest.raises(UserError) as raised:
        load_coo(tmp_path / "a.npz")
    assert len(str(raised.value)) < 1000


def test_missing_file_is_a_file_not_found_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_csr(tmp_path / "a.npz")
