"""Temporary folders disappear with their process, even if it is killed."""

import signal
import subprocess
import sys
import tempfile

import pytest

from xcgraph.storage.temp_folders import temp_folder

HOLD = """import sys, time
from xcgraph.storage.temp_folders import temp_folder
with temp_folder("toy") as folder:
    """


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def holder():
    """A process that holds a temporary folder with a file in it."""
    code = HOLD + "(folder / 'a').touch(); print(folder, flush=True); time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    process.stdout.readline()
    yield process
    process.kill()
    process.communicate()


def test_folder_is_removed_at_the_end(temporary):
    with temp_folder("toy") as folder:
        (folder / "below").mkdir()
        assert folder.parent == temporary
    assert list(temporary.iterdir()) == []


def test_only_folders_of_killed_processes_are_removed(temporary, holder):
    (temporary / "xcgraph-other-1").mkdir()
    with temp_folder("toy") as folder:
        assert len(list(temporary.glob("xcgraph-toy-*"))) == 2
    assert not folder.exists()

    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with temp_folder("toy") as folder:
        assert list(temporary.glob("xcgraph-toy-*")) == [folder]
    assert [path.name for path in temporary.iterdir()] == ["xcgraph-other-1"]
