import contextlib
import gzip
import logging
import random
import re
import tracemalloc

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from xcgraph.errors import UserError
from xcgraph.formats.sparse_text import convert_points, convert_rows, read_points, read_rows
from xcgraph.storage.artifacts import ArtifactStore
from xcgraph.storage.stored_csr import CsrFacts, open_csr, read_facts


def rows_of(source, cache):
    return read_rows(source, cache).toarray().tolist()


# --- accepted files -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "3 4\n0:1 2:.5\n\n3:2e0\n",
        "3 4\n0:1 2:.5\n\n3:2e0",
        "3 4\r\n0:1 2:.5\r\n\r\n3:2e0\r\n",
        "3 4\r\n0:1 2:.5\r\n\r\n3:2e0",
        "\ufeff3 4\n0:1 2:.5\n\n3:2e0\n",
        " 3\t4 \n\t 0:1  2:.5\t\n \n   3:2e0 \n",
        "3 4\n0:1 2:.5\n\n3:2e0\n\n  \n\r\n",
        "3 4\n0:1 2:.5\n\n3:2e0\n ",
        "3 4\n00:1 2:+0.50\n\n3:20e-1\n",
    ],
)
def test_spelling_and_blank_end_make_no_difference(source, cache, text, caplog):
    source.write_bytes(text.encode())
    assert rows_of(source, cache) == [[1, 0, 0.5, 0], [0, 0, 0, 0], [0, 0, 0, 2]]
    assert caplog.records == []


def test_gzip_file_is_read(source, cache):
    source.write_bytes(gzip.compress(b"2 2\n1:3\n0:1\n"))
    assert rows_of(source, cache) == [[0, 3], [1, 0]]


@pytest.mark.parametrize("text", ["0 5", "0 5\n", "0 5\n\n\n"])
def test_file_without_rows_gives_empty_matrix(source, cache, text):
    source.write_text(text)
    assert read_rows(source, cache).shape == (0, 5)


def test_blank_lines_at_the_end_are_rows_if_the_header_declares_them(source, cache):
    source.write_text("4 2\n0:1\n\n\n\n\n")
    artifact = convert_rows(source, cache)
    assert read_facts(artifact.folder, "rows").empty_rows == 3
    assert open_csr(artifact.folder, "rows").shape == (4, 2)


def test_points_have_features_and_labels(source, cache):
    source.write_text("5 4 3\n0,2 1:.5 3:1\n 0:2\n1\n\n2\t0:1\n")
    features, labels = read_points(source, cache)
    assert features.toarray().tolist() == [[0, 0.5, 0, 1], [2, 0, 0, 0], [0] * 4, [0] * 4, [1, 0, 0, 0]]
    assert labels.toarray().tolist() == [[1, 0, 1], [0, 0, 0], [0, 1, 0], [0, 0, 0], [0, 0, 1]]


# --- repaired files -------------------------------------------------------------------------------------


def test_unsorted_and_repeated_features_are_repaired_and_counted(source, cache, caplog):
    source.write_text("4 5\n3:1 1:2 3:4\n0:1 0:1 0:1\n2:1 2:-1\n\n")
    for _ in range(2):  # the warning repeats when the cache is used
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            matrix = read_rows(source, cache)
        assert [record.getMessage() for record in caplog.records] == [
            f"{source}: sorted 1 rows of rows, merged 4 repeated indices of rows into their sum."
        ]
    assert matrix.toarray().tolist() == [[0, 2, 0, 5, 0], [3, 0, 0, 0, 0], [0] * 5, [0] * 5]
    assert read_facts(convert_rows(source, cache).folder, "rows") == CsrFacts(
        rows=4, columns=5, entries=3, empty_rows=2, unsorted_rows=1, repeated_entries=4, zero_entries=1
    )


def test_repeated_label_counts_once(source, cache, caplog):
    source.write_text("1 5\n3:1 1:1 3:1\n")
    with caplog.at_level(logging.WARNING):
        assert read_rows(source, cache, merge="max").toarray().tolist() == [[0, 1, 0, 1, 0]]
    assert "merged 1 repeated indices of rows into the largest" in caplog.text
    assert rows_of(source, cache) == [[0, 1, 0, 2, 0]]


def test_points_are_repaired_with_one_warning(source, cache, caplog):
    source.write_text("2 3 4\n3,0,3 2:1 2:1\n1,0 1:1 0:1\n")
    with caplog.at_level(logging.WARNING):
        features, labels = read_points(source, cache)
    assert features.toarray().tolist() == [[0, 0, 2], [1, 1, 0]]
    assert labels.toarray().tolist() == [[1, 0, 0, 1], [1, 1, 0, 0]]
    assert [record.getMessage() for record in caplog.records] == [
        f"{source}: sorted 1 rows of features, merged 1 repeated indices of features into their sum, "
        "sorted 2 rows of labels, merged 1 repeated indices of labels into the largest."
    ]


# --- refused files ------------------------------------------------------------------------------------

HEADER = "expected the header 'rows columns', 2 numbers up to 2147483647, found"
ERRORS = {
    "2 3\n0:1\n": "line 2: expected 2 rows as line 1 declares, found the end of the file after 1;",
    "5 3": "line 1: expected 5 rows as line 1 declares, found the end of the file after 0;",
    "2 3\n0:1\n1:1\n\n2:1\n": "line 5: expected no more rows than line 1 declares, found another row;",
    "0 3\n0:1\n": "line 2: expected no more rows than line 1 declares, found another row",
    "1 3\n0:1\n0:0\n": "line 3: expected no more rows than line 1 declares",
    "0:1 2:1\n1:1\n": f"line 1: {HEADER} '0:1 2:1';",
    "1 2 3\n0:1\n": f"line 1: {HEADER} '1 2 3'",
    "1\n0:1\n": f"line 1: {HEADER} '1'",
    "\n1 2\n0:1\n": f"line 1: {HEADER} ''",
    "-1 2\n": f"line 1: {HEADER} '-1 2'",
    "1.0 2\n": f"line 1: {HEADER} '1.0 2'",
    "1_0 2\n": f"line 1: {HEADER} '1_0 2'",
    "1 2147483648\n0:1\n": f"line 1: {HEADER} '1 2147483648'",
    "1 " + "9" * 5000 + "\n0:1\n": f"line 1: {HEADER} '1 {'9' * 58}",
    "١ ٢\n": f"line 1: {HEADER} '\\u0661 \\u0662'",
    "2 3\n0:1\n1:1 3:1\n": "line 3: expected an index from 0 to 2, found '3:1';",
    "2 3\n-1:1\n\n": "line 2: expected an index from 0 to 2, found '-1:1'",
    "1 0\n0:1\n": "line 2: expected an index from 0 to -1, found '0:1'",
    "2 3\n\n0:1 x:1\n": "line 3: expected index:value with a whole number as index, found 'x:1'",
    "1 3\n0:1 1\n": "line 2: expected index:value, found '1'; write a colon and a value",
    "1 3\n0:1 1:one\n": "line 2: expected a finite number as value, found '1:one';",
    "1 3\n0:1 1:nan\n": "line 2: expected a finite number as value, found '1:nan'",
    "1 3\n0:1 1:-inf\n": "line 2: expected a finite number as value, found '1:-inf'",
    "1 3\n0:1 1:1e39\n": "line 2: expected a value in the range of float32, found '1e39';",
    "2 3\n\n1:3e38 0:1 1:3e38\n": "line 3: expected values of the repeated index 1 whose sum",
    "3 3\n0:1\n1:3e38 1:3e38\n2:1\n": "line 3: expected values of the repeated index 1 whose sum",
    "1 3\n0:1 \rq\n": "line 2: expected index:value with a whole number as index, found '",
    "1 3\n0:1 " + "x" * 200 + "\n": f"found '{'x' * 60}\\u2026'; correct",
    b"1 3\n0:1 \xff\xfe:1\n": r"expected index:value with a whole number as index, found '\\xff\\xfe:1'",
    "2 3\n0:1\n\ufeff1:1\n": r"line 3: expected index:value with a whole number as index, found '\ufeff1",
    b"\xff\xfe\x81\x9c junk": r"line 1: " + HEADER + r" '\\xff\\xfe\\x81\\x9c junk'",
    b"": "expected text, found an empty file",
    b"1 3\n0:1\x00\n": "expected text, plain or gzip, found a NUL byte",
    gzip.compress(b"1 3\n0:1\n", mtime=0)[:-9]: "expected a whole gzip file, found a truncated one",
}


@pytest.mark.parametrize("text", ERRORS, ids=lambda text: repr(text)[:30])
@pytest.mark.parametrize("chunk_size", [1, 4, 1 << 20])
def test_error_names_file_line_and_value(source, cache, text, chunk_size):
    source.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UserError, match=re.escape(f"{source}")) as caught:
        convert_rows(source, cache, chunk_size=chunk_size)
    assert ERRORS[text] in str(caught.value)
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "1 3 2\n0:1\n",
            "line 2: expected labels separated by commas, found '0:1'; ",
        ),
        (
            "1 3 2\n0,2 0:1\n",
            "line 2: expected a label from 0 to 1, found '2';",
        ),
        ("1 3 2\n0 3:1\n", "line 2: expected an index from 0 to 2, found '3:1'"),
        (
            "1 3\n0 0:1\n",
            "line 1: expected the header 'points features labels', 3 numbers up to 2147483647, found '1 3'",
        ),
        ("1 3 2\n0 0:1\n1\n", "line 3: expected no more rows than line 1 declares"),
        (
            "3 3 2\n0 0:1\n1\n",
            "line 3: expected 3 rows as line 1 declares, found the end of the file after 2",
        ),
    ],
)
def test_error_in_points_names_line_and_value(source, cache, text, expected):
    source.write_text(text)
    with pytest.raises(UserError, match=re.escape(expected)):
        read_points(source, cache)


@pytest.mark.parametrize("name", ["missing.txt", "."])
def test_missing_file_and_folder_are_refused(tmp_path, cache, name):
    for read in (read_rows, read_points):
        with pytest.raises(UserError, match="regular file, found"):
            read(tmp_path / name, cache)


@given(st.binary(max_size=60))
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_are_read_or_refused_with_user_error(source, cache, junk):
    source.write_bytes(b"3 9\n0:1 2:3\n" + junk)
    for read in (read_rows, read_points):
        with contextlib.suppress(UserError):
            read(source, cache)


# --- chunks ---------------------------------------------------------------------------------------------


def test_chunk_size_does_not_change_rows(source, cache):
    """The file has lines longer and shorter than a chunk, and everything that is repaired."""
    text = (
        "\ufeff6 30\r\n3:1.25 2:1 3:1\r\n\n"
        + " ".join(f"{i}:{i}e-3" for i in range(12))
        + "\n\t\n5:1\n7:0 1:2"
    )
    source.write_text(text)
    expected = convert_rows(source, cache)
    matrix, facts = open_csr(expected.folder, "rows").toarray(), read_facts(expected.folder, "rows")
    assert matrix.sum() == pytest.approx(1.25 + 2 + 0.066 + 1 + 2)
    for chunk_size in range(1, len(text.encode()) + 2):
        other = ArtifactStore(cache.root / str(chunk_size))
        folder = convert_rows(source, other, chunk_size=chunk_size).folder
        np.testing.assert_array_equal(open_csr(folder, "rows").toarray(), matrix)
        assert read_facts(folder, "rows") == facts
        assert folder.name == expected.folder.name


def test_chunk_size_does_not_change_points(source, cache):
    text = "5 9 4\n0,3 1:1 0:2\n 3:.5\r\n1,1\n\n" + "2 " + "8:1 " * 5 + "\n\n"
    source.write_text(text)
    folder = convert_points(source, cache).folder
    for chunk_size in range(1, len(text) + 2):
        other = convert_points(
            source, ArtifactStore(cache.root / str(chunk_size)), chunk_size=chunk_size
        ).folder
        for file in folder.iterdir():
            if file.name != "manifest.json":  # it holds the duration
                assert (other / file.name).read_bytes() == file.read_bytes()


def big_text(num_rows):
    rand = random.Random(0).random
    rows = (" ".join(f"{10 * i + int(10 * rand())}:{rand():.6f}" for i in range(20)) for _ in range(num_rows))
    return f"{num_rows} 200\n" + "\n".join(rows)


def test_memory_does_not_grow_with_the_file(tmp_path, cache):
    peaks = []
    for num_rows in (2000, 10_000):
        source = tmp_path / f"{num_rows}.txt"
        source.write_text(big_text(num_rows))
        tracemalloc.start()
        try:
            convert_rows(source, cache, chunk_size=1 << 16)
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    assert source.stat().st_size > 2_000_000
    assert peaks[1] < 1.1 * peaks[0] < 1_500_000
