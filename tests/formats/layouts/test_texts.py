import numpy as np
import pytest
from scipy.sparse import csr_array, save_npz

from xcgraph.errors import UserError
from xcgraph.formats.folder import find_point_texts, write_folder

NAMES = {
    "": ("trn_X.txt", "tst_X.txt", "Y.txt"),
    "raw": ("raw/trn_X.txt", "raw/tst_X.txt", "raw/Y.txt"),
    "raw_data": ("raw_data/train.raw.txt", "raw_data/test.raw.txt", "raw_data/label.raw.txt"),
    "gz": ("trn_X.txt.gz", "raw/tst_X.txt.gz", "raw_data/label.raw.txt.gz"),
}


def test_written_files_have_the_names_of_galaxc_and_renee(folder, data, texts):
    write_folder(data, folder.path, "texts", texts=texts)

    assert sorted(path.name for path in folder.path.iterdir()) == [
        "Y.trn.npz", "Y.tst.npz", "Y.txt", "filter_labels_test.txt", "filter_labels_train.txt",
        "trn_X.txt", "tst_X.txt",
    ]  # fmt: skip
    assert (folder.path / "trn_X.txt").read_text("utf-8").splitlines() == list(texts.train)


@pytest.mark.parametrize("where", NAMES)
@pytest.mark.parametrize("labels", ["Y.{}.npz", "{}_X_Y.npz", "{}_X_Y.txt", "{}_X_Y.txt.gz"])
def test_texts_and_labels_are_found_under_all_names(folder, where, labels):
    contents = ("red wine", "tea"), ("green tea",), ("wine", "tea")
    for name, lines in zip(NAMES[where], contents, strict=True):
        folder.write(name, *lines)
    for split, rows in (("trn", [0, 1]), ("tst", [1])):
        if labels.endswith("npz"):
            save_npz(folder.path / labels.format(split), csr_array(np.eye(2)[rows]))
        else:
            folder.write(labels.format(split), f"{len(rows)} 2", *(f"{label}:1" for label in rows))
    data = folder.read()

    assert data.vocabulary == ("red", "tea", "wine")
    assert data.label_names == ("wine", "tea")
    np.testing.assert_array_equal(data.train.labels.toarray(), [[1, 0], [0, 1]])
    np.testing.assert_array_equal(data.test.features.toarray(), [[0, 1, 0]])
    np.testing.assert_array_equal(data.label_features.toarray(), [[0, 0, 1], [0, 1, 0]])


def test_ids_in_raw_files_are_dropped(folder, data, texts):
    write_folder(data, folder.path, "texts", texts=texts)
    for name, lines in (("trn_X", texts.train), ("tst_X", texts.test), ("Y", data.label_names)):
        (folder.path / f"{name}.txt").unlink()
        stem = {"trn_X": "train", "tst_X": "test", "Y": "label"}[name]
        folder.write(f"raw_data/{stem}.raw.txt", *(f"id{n}->{line}" for n, line in enumerate(lines)))

    assert folder.read().fingerprint == data.fingerprint


@pytest.mark.parametrize("labels", ["Y.{}.npz", "{}_X_Y.txt"])
@pytest.mark.parametrize("end", [(), ("",), ("", " ", "")])
def test_blank_lines_at_the_end_are_ignored_beyond_the_number_of_points(folder, labels, end):
    folder.write("trn_X.txt", "red wine", "", "tea", *end)
    folder.write("tst_X.txt", "green tea", "", *end)
    folder.write("Y.txt", "wine", "tea", *end)
    for split, rows in (("trn", [0, 1, 1]), ("tst", [1, 0])):
        if labels.endswith("npz"):
            save_npz(folder.path / labels.format(split), csr_array(np.eye(2)[rows]))
        else:
            folder.write(labels.format(split), f"{len(rows)} 2", *(f"{label}:1" for label in rows), *end)
    data, texts = folder.read(), find_point_texts(folder.path)

    assert tuple(texts.train) == ("red wine", "", "tea")
    assert tuple(texts.test) == ("green tea", "")
    assert data.label_names == ("wine", "tea")
    assert data.train.features.toarray().any(axis=1).tolist() == [True, False, True]
    assert data.test.features.toarray().any(axis=1).tolist() == [True, False]


def test_text_after_blank_lines_counts_as_a_point(folder):
    folder.write("trn_X.txt", "red wine", "", "tea")
    folder.write("tst_X.txt", "tea")
    folder.write("Y.txt", "wine", "tea")
    folder.write("trn_X_Y.txt", "1 2", "0:1")
    folder.write("tst_X_Y.txt", "1 2", "1:1")

    with pytest.raises(UserError, match=r"trn_X_Y\.txt: .*3 points, .*trn_X\.txt, found 1"):
        folder.read()
