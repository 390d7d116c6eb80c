import numpy as np

from xcgraph.formats.folder import write_folder


def test_written_files_have_the_repository_names(folder, data):
    write_folder(data, folder.path, "single_file")

    names = {path.name for path in folder.path.iterdir()}
    assert {"train.txt", "test.txt", "Yf.txt", "Y.txt", "Xf.txt"} < names
    assert not any("X_" in name for name in names)


def test_line_holds_labels_and_features(folder, caplog):
    folder.write("train.txt", "3 3 4", "2,0 0:1 2:0.5", " 1:2", "3")
    folder.write("test.txt.gz", "1 3 4", "1 0:1")
    data = folder.read()

    np.testing.assert_array_equal(data.train.features.toarray(), [[1, 0, 0.5], [0, 2, 0], [0, 0, 0]])
    np.testing.assert_array_equal(data.train.labels.toarray(), [[1, 0, 1, 0], [0, 0, 0, 0], [0, 0, 0, 1]])
    np.testing.assert_array_equal(data.test.labels.toarray(), [[0, 1, 0, 0]])
    assert data.label_features.shape == (4, 3)
    assert data.label_features.nnz == 0
    assert "labels have no text" in caplog.text


def test_label_features_are_read_from_their_own_file(folder):
    folder.write("train.txt", "1 2 3", "0 0:1")
    folder.write("test.txt", "1 2 3", "1 0:1")
    folder.write("Yf.txt", "3 2", "0:1", "1:1", "0:2")

    np.testing.assert_array_equal(folder.read().label_features.toarray(), [[1, 0], [0, 1], [2, 0]])
