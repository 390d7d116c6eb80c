import io
import zipfile

import numpy as np
import pytest
from scipy.sparse import coo_array, csr_array, load_npz, save_npz

from xcgraph.errors import UserError
from xcgraph.formats.matrix_files import (
    FileMatrix,
    binary_labels,
    read_matrix,
    read_num_rows,
    write_predictions,
)

DENSE = np.array([[0, 2, 0, 0.25], [0, 0, 0, 0], [1, 0, 0, 3]], np.float32)


@pytest.mark.parametrize("kind", ["csr", "csc", "coo", "bsr", "dia"])
@pytest.mark.parametrize("as_array", [False, True])
def test_every_scipy_format_is_read_as_canonical_rows(folder, kind, as_array):
    matrix = csr_array(DENSE)
    save_npz(folder.path / "m.npz", getattr(matrix if as_array else matrix.tocsr(), f"to{kind}")())
    found, source = read_matrix(folder.path / "m.npz", folder.cache)

    np.testing.assert_array_equal(found.toarray(), DENSE)
    assert found.dtype == np.float32
    assert found.has_canonical_format
    assert source == folder.path / "m.npz"


@pytest.mark.parametrize("dtype", [bool, np.int8, np.int64, np.float64])
def test_values_become_float32(folder, dtype):
    save_npz(folder.path / "m.npz", csr_array(DENSE.astype(dtype)))

    found = read_matrix(folder.path / "m.npz", folder.cache).matrix
    np.testing.assert_array_equal(found.toarray(), DENSE.astype(dtype).astype(np.float32))


@pytest.mark.parametrize(("merge", "expected"), [("sum", [[0, 5]]), ("max", [[0, 3]])])
@pytest.mark.parametrize("matrix", ["coo", "csr"])
def test_repeated_entries_are_merged_and_zeros_dropped(folder, merge, expected, matrix):
    twice = {
        "coo": coo_array(([2.0, 0.0, 3.0], ([0, 0, 0], [1, 0, 1])), shape=(1, 2)),
        "csr": csr_array(([2.0, 0.0, 3.0], [1, 0, 1], [0, 3]), shape=(1, 2)),
    }[matrix]
    save_npz(folder.path / "m.npz", twice)
    found = read_matrix(folder.path / "m.npz", folder.cache, merge=merge).matrix

    np.testing.assert_array_equal(found.toarray(), expected)
    assert found.nnz == 1


def test_one_file_can_be_read_with_either_merge(folder):
    save_npz(folder.path / "m.npz", csr_array(([2.0, 3.0], [1, 1], [0, 2]), shape=(1, 2)))

    for merge, expected in (("sum", 5), ("max", 3), ("sum", 5)):
        found = read_matrix(folder.path / "m.npz", folder.cache, merge=merge).matrix
        assert found.data.tolist() == [expected]


def test_npz_is_memory_mapped_and_converted_once(folder, monkeypatch):
    save_npz(folder.path / "m.npz", csr_array(DENSE))
    first = read_matrix(folder.path / "m.npz", folder.cache).matrix
    monkeypatch.setattr("xcgraph.formats.matrix_files.load_coo", None)
    second = read_matrix(folder.path / "m.npz", folder.cache).matrix

    assert isinstance(first.data.base, np.memmap)
    assert not first.indices.flags.writeable
    np.testing.assert_array_equal(second.toarray(), DENSE)


def test_text_file_is_read_as_rows(folder):
    path = folder.write("m.txt.gz", "1 3", "2:0.5 0:1")

    np.testing.assert_array_equal(read_matrix(path, folder.cache).matrix.toarray(), [[1, 0, 0.5]])


def test_num_rows_is_read_without_conversion(folder):
    save_npz(folder.path / "m.npz", csr_array(DENSE))
    text = folder.write("m.txt.gz", "7 3", "2:0.5 0:1")

    assert read_num_rows(folder.path / "m.npz") == 3
    assert read_num_rows(text) == 7
    assert list(folder.cache.root.iterdir()) == []


def test_num_rows_of_file_without_header_is_refused(folder):
    with pytest.raises(UserError, match=r"m\.txt, line 1: .*'rows columns'.* found '0:1'"):
        read_num_rows(folder.write("m.txt", "0:1"))


def broken_npz():
    indices = {
        "data": np.ones(1),
        "indices": np.array([9]),
        "indptr": np.array([0, 1]),
        "shape": np.array([1, 2]),
    }
    pickled = io.BytesIO()
    np.savez(pickled, format=np.array([print], object))
    arrays, outside = io.BytesIO(), io.BytesIO()
    np.savez(arrays, a=np.ones(3))
    np.savez(outside, format=np.array(b"csr"), **indices)
    descending = io.BytesIO()
    np.savez(
        descending,
        format=np.array(b"csr"),
        **{**indices, "indptr": np.array([1 << 40, 1]), "indices": np.zeros(1, int)},
    )
    text = io.BytesIO()
    np.savez(
        text, format=np.array(b"csr"), **{**indices, "indices": np.zeros(1, int), "data": np.array(["x"])}
    )
    wide, deep = io.BytesIO(), io.BytesIO()
    save_npz(wide, csr_array((1, 2**40)))
    save_npz(deep, coo_array(([1.0], ([5], [0])), shape=(2**40, 1)))
    intact = io.BytesIO()
    save_npz(intact, csr_array(DENSE))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("x.txt", "nothing")
    return {
        "text": b"1 2\n0:1\n",
        "empty": b"",
        "truncated": intact.getvalue()[:-50],
        "zip": packed.getvalue(),
        "arrays": arrays.getvalue(),
        "pickle": pickled.getvalue(),
        "index outside": outside.getvalue(),
        "row pointers outside": descending.getvalue(),
        "values that are text": text.getvalue(),
        "too many columns": wide.getvalue(),
        "too many rows": deep.getvalue(),
    }


@pytest.mark.parametrize("kind", broken_npz())
def test_npz_without_valid_sparse_matrix_is_refused(folder, kind):
    (folder.path / "Y.trn.npz").write_bytes(broken_npz()[kind])

    with pytest.raises(UserError, match=r"Y\.trn\.npz: .*sparse matrix as scipy"):
        read_matrix(folder.path / "Y.trn.npz", folder.cache)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_npz_with_infinite_values_is_refused(folder, value):
    save_npz(folder.path / "m.npz", csr_array([[value, 1.0]]))

    with pytest.raises(UserError, match=r"m\.npz: .*finite values, found NaN or infinity"):
        read_matrix(folder.path / "m.npz", folder.cache)


def test_missing_npz_is_refused(folder):
    with pytest.raises(UserError, match=r"none\.npz: .*regular file, found nothing"):
        read_matrix(folder.path / "none.npz", folder.cache)


def test_labels_of_value_1_are_not_copied(folder, caplog):
    path = folder.write("Y.txt", "2 3", "0:1 2:1", "")
    matrix = read_matrix(path, folder.cache).matrix
    values = matrix.data

    assert binary_labels(FileMatrix(matrix, path)).data is values
    assert not caplog.records


def test_relevances_become_1_with_a_warning(folder, caplog):
    path = folder.write("Y.txt", "2 3", "0:1 2:0.5", "1:3")
    labels = binary_labels(read_matrix(path, folder.cache))

    np.testing.assert_array_equal(labels.toarray(), [[1, 0, 1], [0, 1, 0]])
    assert "Y.txt: 2 labels have another value than 1: read as 1." in caplog.text


def test_negative_labels_are_refused(folder):
    path = folder.write("Y.txt", "2 3", "0:1", "1:1 2:-1")

    with pytest.raises(UserError, match=r"Y\.txt: .*positive values, found -1\.0 for label 2 of point 1"):
        binary_labels(read_matrix(path, folder.cache))


def test_predictions_are_written_as_npz_or_text(tmp_path):
    scores = csr_array(DENSE)
    write_predictions(tmp_path / "p.npz", scores)
    write_predictions(tmp_path / "p.txt", scores)

    np.testing.assert_array_equal(load_npz(tmp_path / "p.npz").toarray(), DENSE)
    assert (tmp_path / "p.txt").read_text() == "3 4\n1:2 3:0.25\n\n0:1 3:3\n"
    with pytest.raises(UserError, match=r"p\.csv: .*\.npz, \.txt or \.txt\.gz, found p\.csv"):
        write_predictions(tmp_path / "p.csv", scores)
