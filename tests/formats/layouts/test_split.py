import numpy as np
import pytest

from xcgraph.formats.folder import write_folder


def test_written_files_have_the_repository_names(folder, data):
    write_folder(data, folder.path, "split")

    assert sorted(path.name for path in folder.path.iterdir()) == [
        "Xf.txt", "Y.txt", "Yf.txt", "filter_labels_test.txt", "filter_labels_train.txt",
        "trn_X_Xf.txt", "trn_X_Y.txt", "tst_X_Xf.txt", "tst_X_Y.txt",
    ]  # fmt: skip
    assert (folder.path / "trn_X_Y.txt").read_text() == "5 4\n1:1 2:1\n2:1\n\n0:1\n3:1\n"
    assert (folder.path / "Y.txt").read_text() == "tea\nred things\nwine\nmilk\n"
    assert (folder.path / "Xf.txt").read_text().splitlines() == list(data.vocabulary)


def test_rows_become_features_labels_and_label_features(folder):
    folder.write_split()
    data = folder.read()

    np.testing.assert_array_equal(data.train.features.toarray(), [[1, 0.5], [0, 2], [1, 0]])
    np.testing.assert_array_equal(data.train.labels.toarray(), [[1, 0, 0, 0], [0, 1, 0, 1], [0, 0, 1, 0]])
    np.testing.assert_array_equal(data.test.features.toarray(), [[1, 0], [0, 1]])
    np.testing.assert_array_equal(data.test.labels.toarray(), [[1, 0, 0, 0], [0, 0, 0, 1]])
    np.testing.assert_array_equal(data.label_features.toarray(), [[1, 0], [0, 1], [1, 0], [0, 1]])
    assert (data.label_names, data.vocabulary, dict(data.metadata)) == ((), (), {})


@pytest.mark.parametrize("split", ["trn", "tst"])
def test_repeated_label_counts_once_and_repeated_features_are_summed(folder, caplog, split):
    folder.write_split(**{f"{split}_X_Y": ("1 4", "0:1 0:1"), f"{split}_X_Xf": ("1 2", "1:1 1:2")})
    data = folder.read()
    points = {"trn": data.train, "tst": data.test}[split]

    np.testing.assert_array_equal(points.labels.toarray(), [[1, 0, 0, 0]])
    np.testing.assert_array_equal(points.features.toarray(), [[0, 3]])
    assert "another value than 1" not in caplog.text


@pytest.mark.parametrize("split", ["trn", "tst"])
def test_relevances_become_1(folder, split):
    folder.write_split(**{f"{split}_X_Y": ("1 4", "0:0.5 3:2"), f"{split}_X_Xf": ("1 2", "1:1")})
    data = folder.read()

    np.testing.assert_array_equal({"trn": data.train, "tst": data.test}[split].labels.data, [1, 1])


@pytest.mark.parametrize("name", ["lbl_X_Xf.txt", "lbl_X_Xf.txt.gz"])
def test_label_features_are_found_under_siamesexml_name(folder, name):
    folder.write_split()
    expected = folder.read().fingerprint
    folder.write(name, *(folder.path / "Yf.txt").read_text().splitlines())
    (folder.path / "Yf.txt").unlink()

    assert folder.read().fingerprint == expected


@pytest.mark.parametrize("name", ["Y.txt", "raw/Y.txt", "raw_data/label.raw.txt"])
def test_label_names_and_vocabulary_are_read(folder, name):
    folder.write_split(Xf=("red", "wine"))
    folder.write(name, "tea", "", "thé", "milk")
    data = folder.read()

    assert data.vocabulary == ("red", "wine")
    assert data.label_names == ("tea", "", "thé", "milk")


def test_blank_lines_at_the_end_are_ignored_beyond_the_number_of_labels_and_tokens(folder):
    folder.write_split(
        Xf=("red", "wine", "", " "),
        Y=("tea", "", "milk", "", ""),
        trn_X_Xf=("3 2", "0:1 1:0.5", "1:2", "0:1", "", ""),
        trn_X_Y=("3 4", "0:1", "1:1 3:1", "2:1", ""),
    )
    data = folder.read()

    assert data.vocabulary == ("red", "wine")
    assert data.label_names == ("tea", "", "milk", "")
    assert len(data.train) == 3
