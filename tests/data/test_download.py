"""Tests of downloads without a network: a stand-in for gdown writes archives or raises gdown's errors."""

import hashlib
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace

import gdown
import pytest
import requests

from xcgraph.data.download import REPOSITORY, fetch_archive, unpack_archive
from xcgraph.errors import UserError


@pytest.fixture
def drive(monkeypatch):
    """Replace Google Drive by a dictionary of files by id; an exception as a value is raised."""
    files = {}

    def download(*, id, output, resume, timeout):  # noqa: A002 - gdown's own name
        assert resume
        assert timeout > 0
        if isinstance(files[id], Exception):
            raise files[id]
        if not Path(output).exists():
            Path(output).write_bytes(files[id])

    monkeypatch.setitem(sys.modules, "gdown", SimpleNamespace(download=download, exceptions=gdown.exceptions))
    return files


def test_fetch_writes_the_file(drive, tmp_path):
    drive["abc"] = b"content"

    fetch_archive("abc", tmp_path / "data" / "set.zip", sha256=None)

    assert (tmp_path / "data" / "set.zip").read_bytes() == b"content"


def test_wrong_checksum_is_refused(drive, tmp_path):
    drive["abc"] = b"content"
    archive = tmp_path / "set.zip"

    fetch_archive("abc", archive, sha256=hashlib.sha256(b"content").hexdigest().upper())
    with pytest.raises(UserError, match=r"set\.zip: expected SHA-256 00, found ed7002"):
        fetch_archive("abc", archive, sha256="00")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (requests.ConnectionError("name not known"), r"Google Drive \(ConnectionError\)"),
        (requests.Timeout(), r"Google Drive \(Timeout\)"),
        (
            gdown.exceptions.FileURLRetrievalError("Too many users\n\thave viewed it."),
            r"abc \(Too many users have viewed it\.\)",
        ),
    ],
)
def test_download_errors_name_the_repository(drive, error, message, tmp_path):
    drive["abc"] = error

    with pytest.raises(UserError, match=message) as caught:
        fetch_archive("abc", tmp_path / "set.zip", sha256=None)

    assert REPOSITORY in str(caught.value)


def test_missing_gdown_names_the_install_command(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "gdown", None)  # importing it raises ImportError

    with pytest.raises(UserError, match=r"pip install 'xcgraph\[download\]'"):
        fetch_archive("abc", tmp_path / "set.zip", sha256=None)


def test_real_gdown_accepts_the_arguments(monkeypatch, tmp_path):
    """gdown checks its arguments before it opens a session, and the session fails here."""

    def refuse(*_args, **_kwargs):
        raise requests.ConnectionError

    monkeypatch.setattr(requests.Session, "request", refuse)
    monkeypatch.setenv("HOME", str(tmp_path))  # where gdown keeps cookies

    with pytest.raises(UserError, match=r"Google Drive \(ConnectionError\)"):
        fetch_archive("abc", tmp_path / "set.zip", sha256=None)


def write_zip(path, members, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


@pytest.mark.parametrize("prefix", ["", "LF-Tiny.bow/"])
def test_single_top_level_folder_is_skipped(prefix, tmp_path):
    write_zip(tmp_path / "set.zip", {f"{prefix}train.txt": "1 1 1\n", f"{prefix}raw/test.txt": "1 1 1\n"})

    unpack_archive(tmp_path / "set.zip", tmp_path / "LF-Tiny")

    assert sorted(path.name for path in tmp_path.iterdir()) == ["LF-Tiny", "set.zip"]
    assert (tmp_path / "LF-Tiny" / "train.txt").read_text() == "1 1 1\n"
    assert (tmp_path / "LF-Tiny" / "raw" / "test.txt").is_file()


def test_remains_of_an_interrupted_unpacking_are_removed(tmp_path):
    (tmp_path / ".LF-Tiny.partial").mkdir()
    (tmp_path / ".LF-Tiny.partial" / "old.txt").touch()
    write_zip(tmp_path / "set.zip", {"train.txt": "1 1 1\n"})

    unpack_archive(tmp_path / "set.zip", tmp_path / "LF-Tiny")

    assert [path.name for path in (tmp_path / "LF-Tiny").iterdir()] == ["train.txt"]


def flip_a_byte(at):
    """Return a function that flips one byte behind the second file name, in the content or the directory."""

    def flip(content):
        place = content.index(b"b.txt") + at
        return content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :]

    return flip


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize(
    "damage", [lambda _: b"<html>quota</html>", lambda c: c[:-10], *map(flip_a_byte, (5, 8, 30))]
)
def test_damaged_archive_leaves_no_folder(damage, compression, tmp_path):
    archive = tmp_path / "set.zip"
    write_zip(archive, {"a.txt": "first", "b.txt": "label text " * 50}, compression)
    archive.write_bytes(damage(archive.read_bytes()))

    with pytest.raises(UserError, match=r"set\.zip: .*zip archive"):
        unpack_archive(archive, tmp_path / "LF-Tiny")

    assert [path.name for path in tmp_path.iterdir()] == ["set.zip"]
