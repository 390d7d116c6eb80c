"""Converted text files: when their rows come from the cache, and when a damaged cache is rejected."""

import os
import signal
import subprocess
import sys

import pytest

from xcgraph.errors import UserError
from xcgraph.formats import convert
from xcgraph.formats.sparse_text import convert_rows, read_points, read_rows
from xcgraph.storage.artifacts import ArtifactStore


def rows_of(source, cache):
    return read_rows(source, cache).toarray().tolist()


def test_converted_file_is_not_parsed_again(source, cache, tmp_path, monkeypatch):
    source.write_text("2 3\n0:1\n1:1\n")
    expected = rows_of(source, cache)
    monkeypatch.setattr(convert, "read_chunks", None)
    assert rows_of(source, cache) == expected
    copy = tmp_path / "copy.txt"  # another name and time, the same content
    copy.write_bytes(source.read_bytes())
    assert rows_of(copy, ArtifactStore(cache.root)) == expected


def test_changed_file_is_parsed_again_despite_equal_time_and_size(source, cache):
    source.write_text("1 3\n0:1\n")
    assert rows_of(source, cache) == [[1, 0, 0]]
    times = source.stat()
    source.write_text("1 3\n0:2\n")
    os.utime(source, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert rows_of(source, cache) == [[2, 0, 0]]


def test_rows_and_points_of_one_file_have_separate_caches(source, cache):
    source.write_text("0 2 3\n")
    read_points(source, cache)
    with pytest.raises(UserError, match=r"source\.txt, line 1: .*'rows columns'"):
        read_rows(source, cache)


def shorten(path):
    path.write_bytes(path.read_bytes()[:-4])


def alter(path):
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")


@pytest.mark.parametrize("damage", [shorten, alter, os.unlink])
@pytest.mark.parametrize("part", ["indptr.npy", "indices.npy", "values.npy", "shape.json"])
def test_damaged_cache_is_rebuilt(source, cache, damage, part):
    source.write_text("2 3\n0:1\n1:4\n")
    expected = rows_of(source, cache)
    damage(convert_rows(source, cache).path(f"rows.{part}"))
    assert rows_of(source, cache) == expected


def test_file_that_changes_during_conversion_is_refused(source, cache, monkeypatch):
    def read_and_append(path, chunk_size):
        yield from read_chunks(path, chunk_size)
        path.write_text("1 3\n0:1\n\n")

    read_chunks = convert.read_chunks
    monkeypatch.setattr(convert, "read_chunks", read_and_append)
    source.write_text("1 3\n0:1\n")
    with pytest.raises(UserError, match=r"source\.txt: .*finished file, found one that changed"):
        read_rows(source, cache)
    monkeypatch.undo()
    assert rows_of(source, cache) == [[1, 0, 0]]


def test_refused_file_leaves_no_arrays(source, cache):
    source.write_text("2 3\n0:1\n")
    with pytest.raises(UserError, match=r"source\.txt, line 2: .*2 rows.* found the end of the file after 1"):
        read_rows(source, cache)
    assert [path for path in cache.root.rglob("*") if path.is_file()] == []


KILLED = """
import os, signal, sys
from pathlib import Path
from xcgraph.storage.artifacts import ArtifactStore
from xcgraph.formats.sparse_text import convert_rows
from xcgraph.storage.stored_csr import CsrWriter

def append_or_die(self, part, append=CsrWriter.append):
    append(self, part)
    if self.facts.rows >= 3:
        for array in (self._indptr, self._indices, self._values):
            array._file.flush()
        os.kill(os.getpid(), signal.SIGKILL)

CsrWriter.append = append_or_die
convert_rows(Path(sys.argv[1]), ArtifactStore(Path(sys.argv[2])), chunk_size=4)
"""


def test_killed_conversion_is_repeated(source, cache):
    source.write_text("5 3\n" + "0:1\n" * 5)
    killed = subprocess.run([sys.executable, "-c", KILLED, str(source), str(cache.root)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert [path.suffix for path in cache.root.iterdir() if path.is_dir()] == [".partial"]
    assert rows_of(source, cache) == [[1, 0, 0]] * 5
