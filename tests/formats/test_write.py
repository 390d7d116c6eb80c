import gzip
import time

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array, random_array

from xcgraph.formats import write
from xcgraph.formats.sparse_text import read_points, read_rows
from xcgraph.formats.write import RowsWriter, write_points, write_rows

# The bits of every float32 except zeros, infinities and NaN.
ONE = st.just(int(np.float32(1).view(np.uint32)))
finite_bits = st.integers(1, 0x7F7F_FFFF) | st.integers(0x8000_0001, 0xFF7F_FFFF)
ON_ONE_FOLDER = settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@st.composite
def matrices(draw, values=finite_bits, rows=None):
    num_rows = draw(st.integers(0, 5)) if rows is None else rows
    num_columns = draw(st.sampled_from([1, 12, 2**31 - 1]))
    columns = st.lists(st.integers(0, num_columns - 1), max_size=4, unique=True).map(sorted)
    rows = [draw(columns) for _ in range(num_rows)]
    indices = np.array([column for row in rows for column in row], np.int32)
    bits = [draw(values) for _ in indices]
    indptr = np.cumsum([0, *map(len, rows)])
    return csr_array(
        (np.array(bits, np.uint32).view(np.float32), indices, indptr), shape=(num_rows, num_columns)
    )


def assert_same(found, expected):
    assert found.shape == expected.shape
    np.testing.assert_array_equal(found.indptr, expected.indptr)
    np.testing.assert_array_equal(found.indices, expected.indices)
    assert found.data.tobytes() == expected.data.tobytes()


def make_matrix(rows=40, columns=300, seed=0):
    return csr_array(random_array((rows, columns), density=0.1, rng=seed, dtype=np.float32))


@given(matrices(), st.sampled_from(["rows.txt", "rows.txt.gz"]))
@ON_ONE_FOLDER
def test_rows_round_trip_to_the_bit(tmp_path, cache, matrix, name):
    write_rows(tmp_path / name, matrix)
    assert_same(read_rows(tmp_path / name, cache), matrix)


@given(st.integers(0, 5).flatmap(lambda rows: st.tuples(matrices(rows=rows), matrices(ONE, rows=rows))))
@ON_ONE_FOLDER
def test_points_round_trip_to_the_bit(tmp_path, cache, points):
    write_points(tmp_path / "points.txt", *points)
    for found, expected in zip(read_points(tmp_path / "points.txt", cache), points, strict=True):
        assert_same(found, expected)


def test_rows_are_written_with_fewest_digits(tmp_path):
    values = np.array([[1, 0, -2.5], [0, 0, 0], [1e-5, 100, 1e20], [10.05, 1 / 3, 0]], np.float32)
    write_rows(tmp_path / "rows.txt", csr_array(values))
    assert (tmp_path / "rows.txt").read_text() == (
        "4 3\n0:1 2:-2.5\n\n0:1e-05 1:100 2:1e+20\n0:10.05 1:0.33333334\n"
    )


def test_points_without_labels_start_with_a_space(tmp_path):
    features = csr_array(np.array([[0.5, 0], [0, 1], [0, 0], [0, 0]], np.float32))
    labels = csr_array(np.array([[1, 0, 1], [0, 0, 0], [0, 1, 0], [0, 0, 0]], np.float32))
    write_points(tmp_path / "points.txt", features, labels)
    assert (tmp_path / "points.txt").read_text() == "4 2 3\n0,2 0:0.5\n 1:1\n1 \n \n"


def test_column_numbers_of_every_length_are_written(tmp_path):
    columns = [0, 9, 10, 99, 100, 12345, 10**9 - 1, 10**9, 2**31 - 2]
    write_rows(tmp_path / "rows", csr_array((np.ones(9), columns, [0, 9]), shape=(1, 2**31 - 1)))
    assert (tmp_path / "rows").read_text() == "1 2147483647\n" + " ".join(f"{c}:1" for c in columns) + "\n"


@pytest.mark.parametrize("dtype", [bool, np.int64, np.float64])
def test_other_dtypes_are_written_as_float32(tmp_path, cache, dtype):
    matrix = csr_array(make_matrix() > 0.5, dtype=dtype)
    write_rows(tmp_path / "rows", matrix)
    np.testing.assert_array_equal(read_rows(tmp_path / "rows", cache).toarray(), matrix.toarray())


def test_rows_are_written_in_canonical_form_without_changing_the_matrix(tmp_path):
    parts = np.array([2.0, 1.0, 3.0, 0.0], np.float32), np.array([3, 1, 3, 0], np.int32), np.array([0, 4])
    matrix = csr_array(tuple(part.copy() for part in parts), shape=(1, 4))
    write_rows(tmp_path / "rows", matrix)
    assert (tmp_path / "rows").read_text() == "1 4\n1:1 3:5\n"
    for found, before in zip((matrix.data, matrix.indices, matrix.indptr), parts, strict=True):
        np.testing.assert_array_equal(found, before)


@pytest.mark.parametrize("entries_per_block", [1, 7, 100])
def test_block_size_does_not_change_the_file(tmp_path, monkeypatch, entries_per_block):
    features, labels = make_matrix(), csr_array(make_matrix(seed=1) > 0, dtype=np.float32)
    for name in ("whole", "blocks"):
        write_rows(tmp_path / name, features)
        write_points(tmp_path / f"{name}-points", features, labels)
        monkeypatch.setattr(write, "_ENTRIES_PER_BLOCK", entries_per_block)
    assert (tmp_path / "whole").read_bytes() == (tmp_path / "blocks").read_bytes()
    assert (tmp_path / "whole-points").read_bytes() == (tmp_path / "blocks-points").read_bytes()


def test_memory_mapped_rows_are_written_identically(tmp_path, cache):
    write_rows(tmp_path / "first", make_matrix())
    write_rows(tmp_path / "second", read_rows(tmp_path / "first", cache))
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()


def test_gzip_file_depends_on_content_only(tmp_path, monkeypatch):
    matrix = make_matrix()
    write_rows(tmp_path / "rows", matrix)
    write_rows(tmp_path / "rows.txt.gz", matrix)
    monkeypatch.setattr(time, "time", lambda: 1e9)
    write_rows(tmp_path / "other.gz", matrix)
    packed = (tmp_path / "rows.txt.gz").read_bytes()
    assert packed == (tmp_path / "other.gz").read_bytes()
    assert gzip.decompress(packed) == (tmp_path / "rows").read_bytes()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e39])
def test_infinite_value_is_refused_and_leaves_no_file(tmp_path, value):
    matrix = csr_array(np.array([[1.0], [value]]))
    with pytest.raises(ValueError, match=r"finite values, found (nan|-?inf)"), np.errstate(over="ignore"):
        write_rows(tmp_path / "rows", matrix)
    assert list(tmp_path.iterdir()) == []


def test_wrong_labels_are_refused_and_leave_no_file(tmp_path):
    features = make_matrix(rows=3)
    with pytest.raises(ValueError, match=r"3 points, found 4\b"):
        write_points(tmp_path / "points", features, make_matrix(rows=4))
    with pytest.raises(ValueError, match=r"Expected 1 .*label, found 2\.0"):
        write_points(tmp_path / "points", features, csr_array(np.array([[1], [2], [3]], np.float32)))
    assert list(tmp_path.iterdir()) == []


def test_writer_accepts_rows_in_parts(tmp_path):
    matrix = make_matrix()
    write_rows(tmp_path / "whole", matrix)
    with RowsWriter(tmp_path / "parts", rows=40, columns=300) as writer:
        for start, stop in ((0, 1), (1, 1), (1, 30), (30, 40)):
            writer.append(matrix[start:stop])
            assert not (tmp_path / "parts").exists()
    assert (tmp_path / "whole").read_bytes() == (tmp_path / "parts").read_bytes()


def test_writer_refuses_wrong_number_of_rows_or_columns(tmp_path):
    def write_as(rows, columns):
        with RowsWriter(tmp_path / "rows", rows=rows, columns=columns) as writer:
            writer.append(make_matrix())

    with pytest.raises(ValueError, match=r"41 rows, found 40\b"):
        write_as(41, 300)
    with pytest.raises(ValueError, match=r"7 columns, found 300\b"):
        write_as(40, 7)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["rows", "rows.gz"])
def test_interrupted_write_leaves_the_old_file(tmp_path, name, monkeypatch):
    write_rows(tmp_path / name, make_matrix())
    before = (tmp_path / name).read_bytes()
    monkeypatch.setattr(write, "_ENTRIES_PER_BLOCK", 100)
    broken = make_matrix(seed=1)
    broken.data[-1] = np.nan
    with pytest.raises(ValueError, match="finite values, found nan"):
        write_rows(tmp_path / name, broken)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_bytes() == before
