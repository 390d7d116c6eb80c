import errno
import tempfile
from pathlib import Path

import pytest

from xcgraph.errors import UserError
from xcgraph.storage.user_paths import output_folder, user_path


def test_paths_are_expanded_and_absolute(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", "/somewhere")
    monkeypatch.chdir(tmp_path)
    assert user_path("~/a") == Path("/somewhere/a")
    assert user_path("~") == Path("/somewhere")
    assert user_path("a/../b") == tmp_path / "b"
    assert user_path("a~b") == tmp_path / "a~b"


def test_home_of_an_unknown_user_is_refused():
    with pytest.raises(UserError, match="~no-such-user/a: there is no home folder for ~no-such-user"):
        user_path("~no-such-user/a")


def test_check_of_an_output_folder_creates_nothing(tmp_path):
    assert output_folder(tmp_path / "a" / "b", "--out") == tmp_path / "a" / "b"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("below", ["", "/deep"])
def test_file_is_no_output_folder(below, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"^--out=.*file(/deep)?: .*file is not a folder; choose"):
        output_folder(f"{tmp_path}/file{below}", "--out")


def test_folder_without_permission_is_refused(tmp_path, monkeypatch):
    def refuse(dir):  # noqa: A002
        raise OSError(errno.EROFS, "Read-only file system", str(dir))

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    with pytest.raises(UserError, match=r"paths\.root=.*: cannot write in .*Read-only file system"):
        output_folder(tmp_path / "runs", "paths.root")


def test_full_disk_is_no_wrong_folder(tmp_path, monkeypatch):
    def refuse(dir):  # noqa: A002
        raise OSError(errno.ENOSPC, "No space left on device", str(dir))

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    with pytest.raises(OSError, match="No space left"):
        output_folder(tmp_path, "paths.root")
