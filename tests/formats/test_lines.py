import gzip
import os
import tracemalloc
from itertools import islice

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from xcgraph.errors import UserError
from xcgraph.formats import lines
from xcgraph.formats.lines import Chunk, read_chunks

BOM = b"\xef\xbb\xbf"
ON_ONE_FOLDER = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@given(
    text=st.lists(st.sampled_from([b"", b"1:2", b"3:4 5:6 7:8", b"\r", b"\xc3\xa9"]), min_size=1).map(
        b"\n".join
    ),
    chunk_size=st.integers(1, 20),
    mark=st.sampled_from([b"", BOM]),
    packed=st.booleans(),
)
@ON_ONE_FOLDER
def test_chunks_are_whole_lines_and_join_to_the_file(source, text, chunk_size, mark, packed):
    text = b"2 9\n" + text
    source.write_bytes(gzip.compress(mark + text, mtime=0) if packed else mark + text)
    chunks = list(read_chunks(source, chunk_size))
    assert b"".join(chunk.text for chunk in chunks) == text + b"\n" * (not text.endswith(b"\n"))
    assert all(chunk.text.endswith(b"\n") for chunk in chunks)
    first_lines = [1 + text[: text.index(chunk.text)].count(b"\n") for chunk in chunks[:1]]
    for before in chunks[:-1]:
        first_lines.append(first_lines[-1] + before.text.count(b"\n"))
    assert [chunk.first_line for chunk in chunks] == first_lines


def test_only_a_long_line_makes_a_chunk_larger_than_chunk_size(source):
    source.write_bytes(b"ab\n" * 100 + b"c" * 50 + b"\n" + b"d\n" * 10)
    chunks = list(read_chunks(source, 16))
    sizes = [len(chunk.text) for chunk in chunks]
    assert sorted(sizes)[-2] <= 16 + 2
    assert max(sizes) <= 50 + 1 + 16
    assert len(chunks) > 15


def test_gzip_is_recognized_by_content(source, tmp_path):
    source.write_bytes(gzip.compress(b"1 2\n", mtime=0) + gzip.compress(b"3 4"))
    assert list(read_chunks(source)) == [Chunk(b"1 2\n", 1), Chunk(b"3 4\n", 2)]
    plain = tmp_path / "plain.txt.gz"
    plain.write_bytes(b"1 2\n")
    assert list(read_chunks(plain)) == [Chunk(b"1 2\n", 1)]


def test_gzip_bomb_is_refused(source, monkeypatch):
    monkeypatch.setattr(lines, "_SIZE_ALWAYS_ACCEPTED", 1 << 16)
    source.write_bytes(gzip.compress(b"1:1\n" * (1 << 20)))
    chunks = read_chunks(source, 1 << 14)
    for _ in range(20):
        next(chunks)

    with pytest.raises(UserError, match=r"source\.txt: .*at most 100 times its size, found more"):
        list(islice(chunks, 100 * source.stat().st_size >> 14))
    monkeypatch.undo()
    assert sum(len(chunk.text) for chunk in read_chunks(source)) == 4 << 20


@pytest.mark.parametrize("content", [b"", BOM, gzip.compress(b"", mtime=0), gzip.compress(BOM, mtime=0)])
def test_empty_file_is_refused(source, content):
    source.write_bytes(content)
    with pytest.raises(UserError, match=r"source\.txt: expected text, found an empty file"):
        list(read_chunks(source))


def packed_text():
    return gzip.compress(os.urandom(5000).hex().encode())


@pytest.mark.parametrize("left", [5, 12, 100, -20, -8, -1])
def test_truncated_gzip_is_refused(source, left):
    source.write_bytes(packed_text()[:left])
    with pytest.raises(UserError, match=r"source\.txt: .*whole gzip file, found a truncated one"):
        list(read_chunks(source, 64))


@pytest.mark.parametrize("place", [2, 300, -5])
def test_altered_gzip_is_refused(source, place):
    content = bytearray(packed_text())
    content[place] ^= 0xFF
    source.write_bytes(content)
    with pytest.raises(UserError, match=r"source\.txt: expected .*fetch it again\."):
        list(read_chunks(source))


def test_gzip_with_trailing_bytes_is_refused(source):
    source.write_bytes(packed_text() + b"junk")
    with pytest.raises(
        UserError, match=r"source\.txt: .*readable file, found damage \(.*\); fetch it again\."
    ):
        list(read_chunks(source))


@pytest.mark.parametrize(
    "content", [b"\x00", b"1 2\n\x00", "1 2\n0:1".encode("utf-16"), b"PK\x03\x04\x14\x00\x08"]
)
def test_binary_file_is_refused(source, content):
    source.write_bytes(content)
    with pytest.raises(UserError, match=r"source\.txt: .*text, plain or gzip, found a NUL byte"):
        list(read_chunks(source))


def test_endless_line_does_not_fill_the_memory(source, monkeypatch):
    monkeypatch.setattr(lines, "MAX_LINE_SIZE", 1 << 20)
    source.write_bytes(gzip.compress(b"1" * (64 << 20), 1))
    tracemalloc.start()
    try:
        with pytest.raises(UserError, match=r"source\.txt: .*at most 1 MiB, found a longer one"):
            list(read_chunks(source, 1 << 16))
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("missing", "nothing"),
        ("source.txt/below", "nothing"),
        ("folder", "a folder"),
        ("pipe", "a special file"),
    ],
)
def test_path_without_regular_file_is_refused(tmp_path, source, name, found):
    source.touch()
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match=rf"{name}: .*regular file, found {found}; correct the path\."):
        list(read_chunks(tmp_path / name))


def test_unreadable_path_error_gives_reason(tmp_path):
    with pytest.raises(UserError, match=r"x: .*readable file, .*\(File name too long\)"):
        list(read_chunks(tmp_path / ("x" * 300)))
