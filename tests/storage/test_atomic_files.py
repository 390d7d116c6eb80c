"""Files are complete or absent, even if writing fails."""

import errno
import os
import subprocess
from pathlib import Path

import pytest

from xcgraph.storage.atomic_files import atomic_write, publish, remove_drafts


@pytest.fixture
def dead_process():
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def test_file_appears_when_complete(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    with atomic_write(path) as file:
        file.write(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_failed_write_keeps_the_old_file_and_no_draft(tmp_path, error):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")

    def fail():
        with atomic_write(path) as file:
            file.write(b"half")
            raise error

    with pytest.raises(type(error)):
        fail()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_write_error_names_the_file():
    with pytest.raises(OSError, match="No space") as full, publish(Path("a.bin")):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert full.value.filename == "a.bin"
    with pytest.raises(OSError, match="No space") as full, publish(Path("a.bin")):
        raise OSError(errno.ENOSPC, "No space left on device", "b.bin")
    assert full.value.filename == "b.bin"


def test_only_drafts_of_killed_processes_are_removed(tmp_path, dead_process):
    names = [f".a.json.{dead_process}", f".a.json.{os.getppid()}", ".hydra", ".a.json.partial", "a.1"]
    for name in names:
        (tmp_path / name).touch()
    remove_drafts(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names[1:])
