import hashlib

import pytest

from xcgraph.errors import UserError
from xcgraph.formats.folder_files import FolderFiles, content_hash


def test_find_takes_the_first_name_and_plain_before_gz(tmp_path):
    for name in ("b.txt.gz", "c.txt", "c.txt.gz", "raw/d.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    files = FolderFiles(tmp_path)

    assert files.find("a.txt") is None
    assert files.find("a.txt", "b.txt", "c.txt") == tmp_path / "b.txt.gz"
    assert files.find("c.txt") == tmp_path / "c.txt"
    assert files.need("raw/d.txt") == tmp_path / "raw" / "d.txt"


def test_a_folder_of_a_files_name_is_not_found(tmp_path):
    (tmp_path / "Y.txt").mkdir()

    assert FolderFiles(tmp_path).find("Y.txt") is None


def test_need_names_what_it_expected_and_what_is_there(tmp_path):
    for number in range(14):
        (tmp_path / f"file_{number:02}").touch()
    (tmp_path / "raw").mkdir()

    with pytest.raises(
        UserError, match=r"expected Y\.txt or raw/Y\.txt, found file_00, .*file_11 and 3 more; add"
    ):
        FolderFiles(tmp_path).need("Y.txt", "raw/Y.txt")


def test_listing_marks_folders(tmp_path):
    assert FolderFiles(tmp_path).listing() == "nothing"
    (tmp_path / "raw").mkdir()
    assert FolderFiles(tmp_path).listing() == "raw/"


def test_the_folder_has_to_be_there(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"none: expected the folder of a data set, found nothing; correct"):
        FolderFiles(tmp_path / "none")
    with pytest.raises(UserError, match=r"file: expected the folder of a data set, found a file; correct"):
        FolderFiles(tmp_path / "file")


def test_tilde_is_the_users_home(tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    type_path = type(tmp_path)

    assert FolderFiles(type_path("~/data")).folder == tmp_path / "data"


def test_content_hash_is_that_of_the_bytes(tmp_path):
    (tmp_path / "file").write_bytes(b"abc")

    assert content_hash(tmp_path / "file") == hashlib.sha256(b"abc").hexdigest()
    with pytest.raises(UserError, match="expected a regular file, found none"):
        content_hash(tmp_path / "none")
