"""Untrusted files: devices, invalid JSON and paths outside a folder are refused."""

import os

import pytest

from xcgraph.storage.artifacts import checksum
from xcgraph.storage.safe_files import inside, open_regular, read_json


@pytest.mark.parametrize("kind", ["pipe", "device", "link to a device", "folder"])
@pytest.mark.parametrize("read", [open_regular, read_json, checksum])
def test_pipes_and_devices_are_refused(tmp_path, kind, read):
    path = tmp_path / "file"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path = tmp_path.__class__("/dev/zero")
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("/dev/zero")

    with pytest.raises(OSError, match="Not a regular file"):
        read(path)


def test_regular_file_is_read(tmp_path):
    (tmp_path / "a.json").write_text('{"a": ["é"]}', "utf-8")

    assert read_json(tmp_path / "a.json") == {"a": ["é"]}
    with open_regular(inside(tmp_path, "a.json")) as file:
        assert file.read(2) == b'{"'


@pytest.mark.parametrize("content", [b"[" * 100_000, b"\xff", b"", b"{", b"1" * 5000])
def test_invalid_json_is_a_value_error(tmp_path, content):
    (tmp_path / "a.json").write_bytes(content)

    with pytest.raises(ValueError, match=r".+"):
        read_json(tmp_path / "a.json")


@pytest.mark.parametrize("name", ["/dev/zero", "../a", "a/b", "", ".", "..", "a/"])
def test_name_outside_the_folder_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match="is not a file name"):
        inside(tmp_path, name)
