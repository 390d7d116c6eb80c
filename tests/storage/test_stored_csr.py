import json
import pickle
import tracemalloc
from itertools import pairwise

import numpy as np
import pytest
from numpy.lib.format import write_array_header_1_0
from scipy.sparse import csr_array, random_array

from xcgraph.data.xc_data import NO_PAIRS, Split
from xcgraph.errors import UserError
from xcgraph.storage import stored_csr
from xcgraph.storage.stored_csr import CsrFacts, CsrPart, CsrWriter, open_csr, read_facts

FILES = ["m.indices.npy", "m.indptr.npy", "m.shape.json", "m.values.npy"]


def make_matrix(rows=50, columns=30, seed=0):
    matrix = csr_array(random_array((rows, columns), density=0.2, rng=seed, dtype=np.float32))
    matrix.sort_indices()
    return matrix


def part_of(matrix, **counts):
    return CsrPart(matrix.indptr[1:].astype(np.int64), matrix.indices.astype(np.int32), matrix.data, **counts)


def write(folder, *parts, columns=30):
    with CsrWriter(folder, "m", columns) as writer:
        for part in parts:
            writer.append(part)
    return open_csr(folder, "m")


class InterruptionError(Exception):
    """An error that stops a writer."""


def interrupt_after(writer, part):
    writer.append(part)
    raise InterruptionError


def is_memory_mapped(array):
    while array is not None and not isinstance(array, np.memmap):
        array = array.base
    return isinstance(array, np.memmap) and array.mode == "r"


@pytest.mark.parametrize("cuts", [[], [0, 7, 7, 20], list(range(50))])
def test_matrix_round_trips_for_any_partition_into_parts(tmp_path, cuts):
    matrix = make_matrix()
    bounds = [0, *cuts, 50]
    parts = [part_of(matrix[start:stop]) for start, stop in pairwise(bounds)]
    found = write(tmp_path, *parts)
    np.testing.assert_array_equal(found.toarray(), matrix.toarray())
    assert sorted(path.name for path in tmp_path.iterdir()) == FILES
    types = {part: np.load(tmp_path / f"m.{part}.npy").dtype for part in ("indptr", "indices", "values")}
    assert types == {"indptr": np.int64, "indices": np.int32, "values": np.float32}


def test_arrays_are_read_only_memory_maps_in_canonical_form(tmp_path):
    found = write(tmp_path, part_of(make_matrix()))
    assert is_memory_mapped(found.indices)
    assert is_memory_mapped(found.data)
    assert not isinstance(found.data, np.memmap)  # every result would then be one
    with pytest.raises(ValueError, match="read-only"):
        found.data[0] = 1
    assert vars(found)["_has_sorted_indices"]
    assert vars(found)["_has_canonical_format"]
    found.check_format()
    assert is_memory_mapped(found.indices)


def test_selecting_rows_reads_only_these_rows(tmp_path):
    matrix = make_matrix(rows=20_000, columns=100)
    found = write(tmp_path, part_of(matrix), columns=100)
    rows = np.array([19_999, 3, 3, 0])
    tracemalloc.start()
    try:
        batch = found[rows]
        assert tracemalloc.get_traced_memory()[1] < 20_000
    finally:
        tracemalloc.stop()
    assert matrix.indices.nbytes > 1_000_000
    np.testing.assert_array_equal(batch.toarray(), matrix[rows].toarray())
    np.testing.assert_array_equal(found[5:9].toarray(), matrix[5:9].toarray())
    np.testing.assert_array_equal(found @ np.arange(100), matrix @ np.arange(100))


def test_split_accepts_stored_matrices(tmp_path):
    found = write(tmp_path, part_of(make_matrix()))
    assert len(Split(found, found, NO_PAIRS).take(np.array([3, 1]))) == 2


def test_facts_of_parts_are_summed(tmp_path):
    first = csr_array(np.array([[0, 1, 2], [0, 0, 0]], np.float32))
    second = csr_array(np.array([[0, 0, 0], [3, 0, 0], [0, 0, 0]], np.float32))
    write(
        tmp_path,
        part_of(first, unsorted_rows=1, repeated_entries=2, zero_entries=3),
        part_of(second, unsorted_rows=10, repeated_entries=20, zero_entries=30),
        columns=3,
    )
    assert read_facts(tmp_path, "m") == CsrFacts(
        rows=5, columns=3, entries=3, empty_rows=3, unsorted_rows=11, repeated_entries=22, zero_entries=33
    )


@pytest.mark.parametrize("rows", [0, 3])
@pytest.mark.parametrize("columns", [0, 4])
def test_matrix_without_entries_round_trips(tmp_path, rows, columns):
    found = write(tmp_path, part_of(csr_array((rows, columns), dtype=np.float32)), columns=columns)
    assert (found.shape, found.nnz, found.dtype) == ((rows, columns), 0, np.float32)
    assert found[np.zeros(0, np.int64)].shape == (0, columns)
    assert write(tmp_path, columns=columns).shape == (0, columns)


def test_failed_writer_removes_its_files(tmp_path):
    write(tmp_path, part_of(make_matrix()))
    with pytest.raises(InterruptionError), CsrWriter(tmp_path, "m", 30) as writer:
        interrupt_after(writer, part_of(make_matrix()))
    assert list(tmp_path.iterdir()) == []


def test_unfinished_matrix_is_refused(tmp_path):
    write(tmp_path, part_of(make_matrix()))
    writer = CsrWriter(tmp_path, "m", 30)
    writer.append(part_of(make_matrix()))
    with pytest.raises(UserError, match=r"m: expected a stored matrix, found .*No such file"):
        open_csr(tmp_path, "m")


@pytest.mark.parametrize("what", ["rows", "entries"])
def test_inconsistent_files_are_refused(tmp_path, what):
    write(tmp_path, part_of(make_matrix()))
    facts = json.loads((tmp_path / "m.shape.json").read_text())
    (tmp_path / "m.shape.json").write_text(json.dumps({**facts, what: 7}))
    with pytest.raises(
        UserError, match=r"expected \d+ rows and \d+ entries, found \(\(51,\), \(300,\), \(300,\)\)"
    ):
        open_csr(tmp_path, "m")


def test_more_columns_than_int32_are_refused(tmp_path):
    write(tmp_path, part_of(make_matrix()))
    facts = json.loads((tmp_path / "m.shape.json").read_text())
    (tmp_path / "m.shape.json").write_text(json.dumps({**facts, "columns": 2**31}))
    with pytest.raises(UserError, match=r"m: expected a stored matrix, found .*2147483648 columns"):
        open_csr(tmp_path, "m")


def test_row_pointers_exceed_int32(tmp_path):
    writer = CsrWriter(tmp_path, "m", 30)
    with writer:
        writer._indices.size = writer._values.size = 2**31 - 1  # as if this many entries were written
        writer.append(CsrPart(np.array([2, 3]), np.array([4, 5, 6], np.int32), np.ones(3, np.float32)))
        writer._indices.size = writer._values.size = 3
    assert np.load(tmp_path / "m.indptr.npy").tolist() == [0, 2**31 + 1, 2**31 + 2]


@pytest.mark.parametrize(
    ("part", "place", "value"),
    [("indices", 0, -1), ("indices", 0, 30), ("indices", 1, 0), ("indptr", 1, 10**12), ("indptr", 2, 0)],
)
def test_forged_index_is_refused(tmp_path, part, place, value):
    write(tmp_path, part_of(make_matrix()))
    array = np.load(tmp_path / f"m.{part}.npy")
    array[place] = value
    np.save(tmp_path / f"m.{part}.npy", array)

    with pytest.raises(UserError, match="expected ascending indices below 30, found others"):
        open_csr(tmp_path, "m")


@pytest.mark.parametrize("part", ["indptr", "indices", "values"])
@pytest.mark.parametrize(
    "what", ["pickle", "objects", "too short", "other numbers", "odd header", "no bytes"]
)
def test_forged_array_is_refused(tmp_path, part, what):
    write(tmp_path, part_of(make_matrix()))
    path = tmp_path / f"m.{part}.npy"
    if what == "pickle":
        path.write_bytes(pickle.dumps(print))
    elif what == "too short":
        path.write_bytes(path.read_bytes()[:-1])
    elif what == "no bytes":  # mapping this array would divide by 0 and end the process
        with path.open("wb") as file:
            write_array_header_1_0(file, {"descr": "V0", "fortran_order": False, "shape": (-1,)})
    elif what == "odd header":
        path.write_bytes(path.read_bytes().replace(b"}", b"("))
    else:
        np.save(path, np.load(path).astype(object if what == "objects" else np.float64), allow_pickle=True)

    with pytest.raises(UserError, match=r"m: expected a stored matrix, found .*remove the folder"):
        open_csr(tmp_path, "m")


def test_matrix_with_more_than_int32_entries_opens(tmp_path, monkeypatch):
    """The files are sparse: they take no space on disk."""
    monkeypatch.setattr(stored_csr, "is_canonical", lambda *_: True)  # otherwise it would read 16 GB of zeros
    entries = 2**31 + 5
    for part, dtype in (("indices", "<i8"), ("values", "<f4")):
        with (tmp_path / f"m.{part}.npy").open("wb") as file:
            write_array_header_1_0(file, {"descr": dtype, "fortran_order": False, "shape": (entries,)})
            file.truncate(file.tell() + np.dtype(dtype).itemsize * entries)
    np.save(tmp_path / "m.indptr.npy", np.array([0, entries - 1, entries]))
    corrections = {"unsorted_rows": 0, "repeated_entries": 0, "zero_entries": 0, "empty_rows": 0}
    facts = {"rows": 2, "columns": 9, "entries": entries, **corrections}
    (tmp_path / "m.shape.json").write_text(json.dumps(facts))
    found = open_csr(tmp_path, "m")
    assert (found.nnz, found.indptr.tolist()) == (entries, [0, entries - 1, entries])
    assert is_memory_mapped(found.indices)
    for rows in (slice(1, 2), np.array([1])):
        assert (found[rows].shape, found[rows].indices.tolist()) == ((1, 9), [0])


def test_indices_are_widened_when_row_pointers_are(tmp_path, monkeypatch):
    matrix = make_matrix()
    monkeypatch.setattr(stored_csr, "_MAX_INT32", matrix.nnz - 1)
    monkeypatch.setattr(stored_csr, "_BLOCK", 7)
    found = write(tmp_path, part_of(matrix))
    assert (found.indices.dtype, found.indptr.dtype) == (np.int64, np.int64)
    assert is_memory_mapped(found.indices)
    np.testing.assert_array_equal(found.toarray(), matrix.toarray())
    assert sorted(path.name for path in tmp_path.iterdir()) == FILES
    monkeypatch.setattr(stored_csr, "_MAX_INT32", matrix.nnz)
    assert write(tmp_path, part_of(matrix)).indices.dtype == np.int32
