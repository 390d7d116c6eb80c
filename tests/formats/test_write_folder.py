from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse import csr_array

from xcgraph.data.xc_data import NO_PAIRS, PointTexts, Split, XCData
from xcgraph.errors import UserError
from xcgraph.formats.write_folder import write_folder

SPARSE = ("split", "old")
TEXTUAL = ("json", "texts")


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("layout", [*SPARSE, *TEXTUAL])
def test_what_was_written_reads_back_with_the_same_fingerprint(
    folder, data, texts, metadata, layout, compress
):
    data = replace(data, metadata=metadata)
    write_folder(data, folder.path, layout, texts=texts, compress=compress)

    for chosen in (None, layout):  # the second reading takes what the first has converted
        found = folder.read(layout=chosen)
        assert found.fingerprint == data.fingerprint
        assert found.train.filter_pairs.tolist() == data.train.filter_pairs.tolist()
        assert list(found.metadata) == ["category", "hyper_link"]
    compressed = {path.suffix == ".gz" for path in folder.path.iterdir() if path.suffix != ".npz"}
    assert compressed == {compress}


@pytest.mark.parametrize("layout", SPARSE)
def test_sparse_layouts_hold_any_values_and_need_no_names(folder, layout):
    rng = np.random.default_rng(0)

    def matrix(*shape):
        return csr_array((rng.random(shape) < 0.5) * rng.standard_normal(shape), dtype=np.float32)

    def split(points):
        return Split(matrix(points, 7), csr_array(matrix(points, 5) > 0, dtype=np.float32), NO_PAIRS)

    nameless = XCData(name="drinks", train=split(9), test=split(4), label_features=matrix(5, 7))
    write_folder(nameless, folder.path, layout)

    assert folder.read().fingerprint == nameless.fingerprint


@pytest.mark.parametrize("layout", TEXTUAL)
def test_layouts_of_texts_need_the_texts_of_points_and_labels(folder, data, texts, layout):
    with pytest.raises(
        UserError, match="drinks: expected the texts of its points for a layout of texts, found n"
    ):
        write_folder(data, folder.path, layout)
    with pytest.raises(UserError, match="drinks: expected the names of its labels for a layout of texts"):
        write_folder(replace(data, label_names=()), folder.path / "new", layout, texts=texts)


@pytest.mark.parametrize("layout", TEXTUAL)
@pytest.mark.parametrize(("count", "found"), [(4, "4"), (6, "more")])
def test_there_is_a_text_for_each_point(folder, data, texts, layout, count, found):
    wrong = PointTexts(["x"] * count, texts.test)

    with pytest.raises(
        UserError, match=f"Expected texts of 5 training points, found {found}; give one for each"
    ):
        write_folder(data, folder.path, layout, texts=wrong)


def test_texts_with_line_breaks_go_into_json_alone(folder, data, texts):
    broken = PointTexts(["red\nwine", *texts.train[1:]], texts.test)
    write_folder(data, folder.path, "json", texts=broken)

    assert len(folder.read().train) == 5
    with pytest.raises(
        UserError, match=r"trn_X\.txt: expected texts of one line each, found a line break in number 0"
    ):
        write_folder(data, folder.path / "new", "texts", texts=broken)


def test_only_a_new_or_empty_folder_is_written_to(folder, data):
    write_folder(data, folder.path / "a" / "b", "split")
    with pytest.raises(UserError, match="b: expected a new or an empty folder, found files; choose another"):
        write_folder(data, folder.path / "a" / "b", "old")
    folder.write("file", "x")
    with pytest.raises(UserError, match="file: expected a new or an empty folder"):
        write_folder(data, folder.path / "file", "old")


def test_an_unknown_layout_makes_no_folder(folder, data):
    with pytest.raises(
        UserError, match="layout: expected one of split, old, json, texts, found xml; correct"
    ):
        write_folder(data, folder.path / "new", "xml")
    assert not (folder.path / "new").exists()
