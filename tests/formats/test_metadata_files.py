from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_array, save_npz

from xcgraph.errors import UserError
from xcgraph.formats.content import SourcedCount
from xcgraph.formats.folder_files import FolderFiles
from xcgraph.formats.metadata_files import read_metadata, write_metadata


def read(folder, train=2, test=1, labels=1):
    rows = {"train": train, "test": test, "labels": labels}
    counts = {part: SourcedCount(number, Path(f"{part}.txt")) for part, number in rows.items()}
    return read_metadata(FolderFiles(folder.path), folder.cache, counts)


def test_graphs_are_found_by_file_names(folder):
    folder.write("hyper_link_trn_X_Y.txt.gz", "2 3", "0:1", "2:1")
    folder.write("hyper_link_lbl_X_Y.txt", "1 3", "1:1")
    save_npz(folder.path / "category_trn_X_Y.npz", csr_array([[1.0, 0], [0, 1]]))
    save_npz(folder.path / "category_tst_X_Y.npz", csr_array([[0, 1.0]]))
    folder.write("trn_X_Y.txt", "not a graph")
    folder.write("lbl_X_Xf.txt", "not a graph")
    found = read(folder)

    assert list(found) == ["category", "hyper_link"]
    assert [part for part, _ in found["category"].parts()] == ["train", "test"]
    assert [part for part, _ in found["hyper_link"].parts()] == ["train", "labels"]
    np.testing.assert_array_equal(found["hyper_link"].train.toarray(), [[1, 0, 0], [0, 0, 1]])
    assert isinstance(found["category"].train.data.base, np.memmap)


def test_graph_without_training_file_is_ignored_with_a_warning(folder, caplog):
    folder.write("category_renee_tst_X_Y.txt", "1 3", "0:0.5")

    assert read(folder) == {}
    assert "category_renee is ignored because there is no category_renee_trn_X_Y.txt" in caplog.text


def test_narrow_npz_is_widened_to_the_anchors_of_other_files(folder):
    folder.write("links_trn_X_Y.txt", "2 3", "0:1", "2:1")
    save_npz(folder.path / "links_lbl_X_Y.npz", csr_array([[0, 1.0]]))

    assert read(folder)["links"].labels.shape == (1, 3)


def test_different_numbers_of_anchors_are_refused(folder):
    folder.write("links_trn_X_Y.txt", "2 3", "0:1", "2:1")
    folder.write("links_lbl_X_Y.txt", "1 4", "0:1")

    with pytest.raises(UserError, match=r"links_lbl_X_Y\.txt: .*3 anchors, .*links_trn_X_Y\.txt, found 4"):
        read(folder)


@pytest.mark.parametrize("part", ["train", "test", "labels"])
def test_wrong_number_of_rows_is_refused(folder, part):
    for stem, rows in (("trn", 2), ("tst", 1), ("lbl", 1)):
        folder.write(f"links_{stem}_X_Y.txt", f"{rows} 3", *[""] * rows)

    assert list(read(folder)) == ["links"]
    with pytest.raises(UserError, match=rf"links_..._X_Y\.txt: .*7 rows, .*{part}\.txt, found \d"):
        read(folder, **{part: 7})


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_written_graphs_read_back(folder, metadata, ending):
    write_metadata(folder.path, ending, metadata)
    found = read(folder, train=5, test=3, labels=4)

    assert sorted(path.name.removesuffix(ending) for path in folder.path.iterdir()) == [
        "category_lbl_X_Y.txt", "category_trn_X_Y.txt", "category_tst_X_Y.txt", "hyper_link_trn_X_Y.txt",
    ]  # fmt: skip
    for name, graph in metadata.items():
        for part, matrix in graph.parts():
            np.testing.assert_array_equal(getattr(found[name], part).toarray(), matrix.toarray())
