import gzip

import numpy as np
import pytest

from xcgraph.errors import UserError
from xcgraph.formats.filter_pairs import filter_pairs_of, read_filter_pairs, write_filter_pairs
from xcgraph.formats.folder_files import FolderFiles


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize(
    ("content", "pairs"),
    [
        (b"2 0\n0 3\n", [[2, 0], [0, 3]]),
        (b"1\t3 \r\n\n", [[1, 3]]),
        (b"1 3\n\n \r\n", [[1, 3]]),
        (b"\n", []),
        (b"", []),
    ],
)
def test_pairs_are_read_in_file_order_without_blank_end(tmp_path, content, pairs, pack):
    (tmp_path / "file").write_bytes(pack(content))
    found = read_filter_pairs(tmp_path / "file", (3, 4))

    assert found.tolist() == pairs
    assert found.shape == (len(pairs), 2)
    assert found.dtype == np.int64


@pytest.mark.parametrize(
    ("line", "match"),
    [
        ("1", "two whole numbers, .* found '1'"),
        ("1 2 3", "found '1 2 3'"),
        ("1,2", "found '1,2'"),
        ("1 2.0", r"found '1 2\.0'"),
        ("-1 2", "found '-1 2'"),
        ("1 né", r"found '1 n\\xe9'"),
        ("1 1234567890123456789", "found '1 1234567890123456789'"),
        ("", "two whole numbers, .* blank line"),
        (" \r", "two whole numbers, .* blank line"),
        ("3 0", "point from 0 to 2, found 3"),
        ("0 4", "label from 0 to 3, found 4"),
    ],
)
def test_error_names_file_line_and_value(tmp_path, line, match):
    (tmp_path / "filter_labels_test.txt").write_text(f"0 0\n{line}\n0 1\n", "utf-8")

    with pytest.raises(UserError, match=rf"filter_labels_test\.txt, line 2: .*{match}"):
        read_filter_pairs(tmp_path / "filter_labels_test.txt", (3, 4))


@pytest.mark.parametrize(
    "names",
    [
        ("filter_labels_train.txt", "filter_labels_test.txt"),
        ("trn_filter_labels.txt", "tst_filter_labels.txt"),
    ],
)
def test_repository_and_renee_file_names_are_found(tmp_path, names):
    for number, name in enumerate(names):
        (tmp_path / name).write_text(f"{number} 0\n")
    files = FolderFiles(tmp_path)

    assert filter_pairs_of("train", files, (2, 2)).tolist() == [[0, 0]]
    assert filter_pairs_of("test", files, (2, 2)).tolist() == [[1, 0]]


def test_missing_file_gives_no_pairs(tmp_path):
    assert filter_pairs_of("test", FolderFiles(tmp_path), (2, 2)).shape == (0, 2)


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_written_pairs_read_back(tmp_path, data, ending):
    write_filter_pairs("train", tmp_path, ending, data.train)

    assert [path.name for path in tmp_path.iterdir()] == [f"filter_labels_train.txt{ending}"]
    found = filter_pairs_of("train", FolderFiles(tmp_path), data.train.labels.shape)
    assert found.tolist() == data.train.filter_pairs.tolist() != []
