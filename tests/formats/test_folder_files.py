import hashlib

import pytest

from xcgraph.errors import UserError
from xcgraph.formats.folder_files import FolderFiles, content_hash


def test_find_prefers_first_name_and_plain_over_gz(tmp_path):
    for name in ("b.txt.gz", "c.txt", "c.txt.gz", "raw/d.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    files = FolderFiles(tmp_path)

    assert files.find("a.txt") is None
    assert files.find("a.txt", "b.txt", "c.txt") == tmp_path / "b.txt.gz"
    assert files.find("c.txt") == tmp_path / "c.txt"
    assert files.need("raw/d.txt") == tmp_path / "raw" / "d.txt"


def test_find_ignores_folders(tmp_path):
    (tmp_path / "Y.txt").mkdir()

    assert FolderFiles(tmp_path).find("Y.txt") is None


def test_need_error_lists_expected_names_and_existing_files(tmp_path):
    for number in range(14):
        (tmp_path / f"file_{number:02}").touch()
    (tmp_path / "raw").mkdir()

    with pytest.raises(UserError, match=r"Y\.txt or raw/Y\.txt, found file_00, .*file_11 and 3 more"):
        FolderFiles(tmp_path).need("Y.txt", "raw/Y.txt")


def test_listing_marks_subfolders(tmp_path):
    assert FolderFiles(tmp_path).listing() == "nothing"
    (tmp_path / "raw").mkdir()
    assert FolderFiles(tmp_path).listing() == "raw/"


def test_missing_folder_error_names_path(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"none: .*folder of a dataset, found nothing; .*data\.path"):
        FolderFiles(tmp_path / "none")
    with pytest.raises(UserError, match=r"file: .*folder of a dataset, found a file; .*data\.path"):
        FolderFiles(tmp_path / "file")


def test_tilde_expands_to_home(tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    type_path = type(tmp_path)

    assert FolderFiles(type_path("~/data")).folder == tmp_path / "data"


def test_content_hash_is_sha256_of_bytes(tmp_path):
    (tmp_path / "file").write_bytes(b"abc")

    assert content_hash(tmp_path / "file") == hashlib.sha256(b"abc").hexdigest()
    with pytest.raises(UserError, match="regular file, found nothing"):
        content_hash(tmp_path / "none")
