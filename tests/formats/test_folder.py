"""Folders of all layouts: which layout is found, what is read, what is refused, what is written."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse import csr_array, save_npz

from xcgraph.data.xc_data import NO_PAIRS, PointTexts, Split, XCData
from xcgraph.errors import UserError
from xcgraph.formats.folder import find_layout, find_point_texts, write_folder
from xcgraph.text.vectorizer import WordVectorizer

# --- finding the layout -----------------------------------------------------------------------------------


def test_layouts_are_preferred_in_order(folder, data, texts):
    for layout in ("texts", "json", "single_file", "split"):
        write_folder(data, folder.path / layout, layout, texts=texts)
        for path in (folder.path / layout).iterdir():
            path.rename(folder.path / path.name)
        assert find_layout(folder.path).name == layout
        assert folder.read().fingerprint == data.fingerprint


def test_named_layout_is_used(folder, data, texts):
    write_folder(data, folder.path, "json", texts=texts)
    (folder.path / "filter_labels_train.txt").unlink()
    (folder.path / "filter_labels_test.txt").unlink()
    expected = folder.read().fingerprint
    folder.write_split()

    assert folder.read().num_tokens == 2
    assert folder.read(layout="json").fingerprint == expected
    with pytest.raises(UserError, match=r"drinks: expected train\.txt, found .*trn_X_Xf\.txt"):
        folder.read(layout="single_file")
    with pytest.raises(UserError, match=r"layout: .*split, single_file, json, texts, found xml"):
        folder.read(layout="xml")


def test_former_layout_name_old_is_refused_with_the_new_name(folder):
    with pytest.raises(UserError, match=r"layout: .* single_file, .* found old; .* single_file now"):
        folder.read(layout="old")


def test_folder_without_layout_error_lists_files(folder):
    folder.write_split()
    (folder.path / "tst_X_Y.txt").unlink()
    (folder.path / "raw").mkdir()

    with pytest.raises(UserError, match=r"drinks: expected the files of a dataset, plain or \.gz") as caught:
        folder.read()
    message = str(caught.value)
    assert (
        "trn_X_Xf.txt, trn_X_Y.txt, tst_X_Xf.txt, tst_X_Y.txt (split); train.txt, test.txt (single_file); "
        in message
    )
    assert "found Yf.txt, raw/, trn_X_Xf.txt, trn_X_Y.txt, tst_X_Xf.txt;" in message


# --- reading ----------------------------------------------------------------------------------------------


def test_matrices_stay_memory_mapped(folder, data, texts):
    for layout in ("split", "single_file", "json", "texts"):
        write_folder(data, folder.path / layout, layout, texts=texts)
        found = type(folder)(folder.path / layout, folder.cache).read()
        for matrix in (found.train.features, found.train.labels, found.test.features, found.label_features):
            assert isinstance(matrix.data.base, np.memmap)
            assert isinstance(matrix.indices.base, np.memmap)


def test_plain_gz_and_npz_files_can_be_mixed(folder):
    folder.write_split()
    expected = folder.read().fingerprint
    for stem in ("trn_X_Xf", "tst_X_Y"):
        lines = (folder.path / f"{stem}.txt").read_text().splitlines()
        (folder.path / f"{stem}.txt").unlink()
        folder.write(f"{stem}.txt.gz", *lines)
    (folder.path / "trn_X_Y.txt").unlink()
    save_npz(folder.path / "trn_X_Y.npz", csr_array([[1, 0, 0, 0], [0, 1, 0, 1], [0, 0, 1, 0]]))

    assert folder.read().fingerprint == expected


def test_filter_pairs_are_read(folder):
    folder.write_split()
    folder.write("filter_labels_train.txt", "1 0", "2 3")
    folder.write("tst_filter_labels.txt")
    data = folder.read()

    assert data.train.filter_pairs.tolist() == [[1, 0], [2, 3]]
    assert data.test.filter_pairs.shape == (0, 2)


def test_test_points_do_not_change_vocabulary_or_training_features(folder, data, texts):
    for number, test_texts in enumerate((texts.test, ("red red red", "wine", "newword newword"))):
        path = folder.path / str(number)
        write_folder(data, path, "texts", texts=type(texts)(texts.train, test_texts))
    one, two = (type(folder)(folder.path / str(number), folder.cache).read() for number in range(2))

    assert one.vocabulary == two.vocabulary
    np.testing.assert_array_equal(one.train.features.toarray(), two.train.features.toarray())
    assert one.fingerprint != two.fingerprint


# --- files that do not belong together --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        (
            {"trn_X_Y": ("2 4", "0:1", "1:1")},
            r"trn_X_Y\.txt: .*3 points, .*trn_X_Xf\.txt, found 2",
        ),
        (
            {"tst_X_Y": ("3 4", "0:1", "", "1:1")},
            r"tst_X_Y\.txt: .*2 points, .*tst_X_Xf\.txt, found 3",
        ),
        ({"Yf": ("3 2", "0:1", "1:1", "0:1")}, r"Yf\.txt: expected 4 labels, .*trn_X_Y\.txt, found 3"),
        ({"Yf": ("5 2", "", "", "", "", "")}, r"Yf\.txt: expected 4 labels, .*trn_X_Y\.txt, found 5"),
        ({"Yf": ("4 3", "", "", "", "")}, r"Yf\.txt: expected 2 tokens, .*trn_X_Xf\.txt, found 3"),
        (
            {"tst_X_Xf": ("2 3", "0:1", "")},
            r"tst_X_Xf\.txt: expected 2 tokens, .*trn_X_Xf\.txt, found 3",
        ),
        ({"tst_X_Y": ("2 5", "4:1", "")}, r"tst_X_Y\.txt: expected 4 labels, .*trn_X_Y\.txt, found 5"),
        (
            {"Xf": ("red",)},
            r"Xf\.txt: expected 2 tokens, .*trn_X_Xf\.txt, found 1; .* remove .*Xf\.txt",
        ),
        ({"Y": ("a", "b", "c", "d", "e")}, r"Y\.txt: expected 4 labels, .*trn_X_Y\.txt, found 5"),
        ({"trn_X_Y": ("0:1", "1:1 3:1", "2:1")}, r"trn_X_Y\.txt, line 1: expected the header 'rows columns'"),
        (
            {"trn_X_Y": ("3 4", "0:1", "1:1")},
            r"trn_X_Y\.txt, line \d: expected 3 rows as line 1 declares, found",
        ),
        (
            {"trn_X_Y": ("3 4", "0:1", "4:1", "")},
            r"trn_X_Y\.txt, line 3: expected an index from 0 to 3, found",
        ),
        (
            {"filter_labels_train": ("0 0", "3 0")},
            r"filter_labels_train\.txt, line 2: expected a point from 0 to 2",
        ),
        ({"filter_labels_test": ("0 4",)}, r"filter_labels_test\.txt, line 1: expected a label from 0 to 3"),
        ({"filter_labels_test": ("0 a",)}, r"filter_labels_test\.txt, line 1: expected two whole numbers"),
        (
            {"x_trn_X_Y": ("3 1", "", "", ""), "x_lbl_X_Y": ("3 1", "", "", "")},
            r"x_lbl_X_Y\.txt: .*4 rows, .*found 3",
        ),
        ({"x_trn_X_Y": ("2 1", "", "")}, r"x_trn_X_Y\.txt: expected 3 rows, .*trn_X_Y\.txt, found 2"),
    ],
)
def test_inconsistent_files_are_refused(folder, changes, match):
    folder.write_split(**changes)

    with pytest.raises(UserError, match=match):
        folder.read()


def test_single_files_must_agree_on_columns(folder):
    folder.write("train.txt", "2 3 4", "0,1 0:1 2:1", " 1:1")
    folder.write("test.txt", "1 3 5", "4 0:1")

    with pytest.raises(UserError, match=r"test\.txt: expected 4 labels, .*train\.txt, found 5"):
        folder.read()


def test_narrow_npz_is_widened_to_columns_of_text_files(folder, caplog):
    folder.write_split()
    expected = folder.read().fingerprint
    (folder.path / "tst_X_Y.txt").unlink()
    save_npz(folder.path / "trn_X_Y.npz", csr_array((9, 9)))  # not read because trn_X_Y.txt comes first
    save_npz(folder.path / "tst_X_Y.npz", csr_array([[1, 0, 0, 0], [0, 0, 0, 1]])[:, :4])
    assert folder.read().fingerprint == expected
    caplog.clear()
    save_npz(folder.path / "tst_X_Y.npz", csr_array([[1], [1]]))
    data = folder.read()

    assert data.test.labels.shape == (2, 4)
    assert "tst_X_Y.npz has 1 labels, " in caplog.text
    assert "trn_X_Y.txt has 4: the missing ones are read as empty" in caplog.text
    save_npz(folder.path / "tst_X_Y.npz", csr_array([[0, 0, 0, 0, 1], [1, 0, 0, 0, 0]]))
    with pytest.raises(UserError, match=r"tst_X_Y\.npz: expected 4 labels, .*trn_X_Y\.txt, found 5"):
        folder.read()


def test_widest_npz_sets_the_number_of_columns(folder):
    folder.write_split()
    (folder.path / "Yf.txt").unlink()
    for split, labels in (("trn", np.eye(3, 2)), ("tst", np.eye(2, 3, k=1))):
        (folder.path / f"{split}_X_Y.txt").unlink()
        save_npz(folder.path / f"{split}_X_Y.npz", csr_array(labels))

    assert folder.read().train.labels.shape == (3, 3)


# --- warnings ---------------------------------------------------------------------------------------------


def logged_warnings(caplog):
    return [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]


def test_labels_without_text_have_empty_features_and_one_warning(folder, caplog):
    folder.write_split()
    (folder.path / "Yf.txt").unlink()
    data = folder.read()

    assert data.label_features.shape == (4, 2)
    assert data.label_features.nnz == 0
    assert logged_warnings(caplog) == [
        "drinks: labels have no text because the folder has no Yf.txt or lbl_X_Xf.txt; their features are "
        "empty."
    ]


def test_gaps_are_counted_in_one_warning_per_split(folder, caplog):
    folder.write_split(
        trn_X_Xf=("3 2", "", "1:2", ""),
        trn_X_Y=("3 4", "0:1", "", "2:1"),
        tst_X_Y=("2 4", "", ""),
        Yf=("4 2", "0:1", "1:1", "", "1:1"),
    )
    folder.read()

    assert logged_warnings(caplog) == [
        "drinks: of 3 training points, 2 have no tokens (first: row 0, counted from 0) and 1 have no "
        "labels (first: row 1, counted from 0).",
        "drinks: of 2 test points, 2 have no labels (first: row 0, counted from 0).",
        "drinks: of 4 labels, 1 have no tokens (first: row 2, counted from 0).",
    ]


def test_complete_folder_gives_no_warning(folder, caplog):
    folder.write_split()
    folder.read()

    assert logged_warnings(caplog) == []


def test_different_numbers_of_texts_and_labels_are_refused(folder, data, texts):
    write_folder(data, folder.path, "texts", texts=texts)
    folder.write("tst_X.txt", "one", "two")
    with pytest.raises(UserError, match=r"Y\.tst\.npz: .*2 points, .*tst_X\.txt, found 3"):
        folder.read()
    folder.write("tst_X.txt", *texts.test)
    folder.write("Y.txt", "tea", "wine")
    with pytest.raises(UserError, match=r"Y\.trn\.npz: expected 2 labels, .*Y\.txt, found 4"):
        folder.read()


def test_vectorizer_without_tokens_is_refused(folder, data, texts):
    write_folder(data, folder.path, "json", texts=texts)

    with pytest.raises(UserError, match=r"min_df=99.* found none"):
        folder.read(text=WordVectorizer(min_df=99))


@pytest.mark.parametrize("kind", ["labels", "tokens"])
def test_implausible_number_of_columns_is_refused(folder, kind):
    """Each column would take memory in every matrix and model."""
    if kind == "labels":
        folder.write_split(trn_X_Y=("3 2000000000", "0:1", "1:1", ""), tst_X_Y=("2 2000000000", "0:1", ""))
        (folder.path / "Yf.txt").unlink()
    else:
        wide = {"trn_X_Xf": ("3 2000000000", "0:1", "", ""), "tst_X_Xf": ("2 2000000000", "0:1", "")}
        folder.write_split(**wide, Yf=("4 2000000000", "0:1", "", "", ""))

    with pytest.raises(UserError, match=rf"X.*\.txt: .*fewer {kind} .*found 2000000000"):
        folder.read()


# --- writing ----------------------------------------------------------------------------------------------

SPARSE = ("split", "single_file")
TEXTUAL = ("json", "texts")


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("layout", [*SPARSE, *TEXTUAL])
def test_written_folder_reads_back_with_the_same_fingerprint(folder, data, texts, metadata, layout, compress):
    data = replace(data, metadata=metadata)
    write_folder(data, folder.path, layout, texts=texts, compress=compress)

    for chosen in (None, layout):  # the second read uses the cache
        found = folder.read(layout=chosen)
        assert found.fingerprint == data.fingerprint
        assert found.train.filter_pairs.tolist() == data.train.filter_pairs.tolist()
        assert list(found.metadata) == ["category", "hyper_link"]
    compressed = {path.suffix == ".gz" for path in folder.path.iterdir() if path.suffix != ".npz"}
    assert compressed == {compress}


@pytest.mark.parametrize("layout", SPARSE)
def test_sparse_layouts_hold_all_values_without_names(folder, layout):
    rng = np.random.default_rng(0)

    def matrix(*shape):
        return csr_array((rng.random(shape) < 0.5) * rng.standard_normal(shape), dtype=np.float32)

    def split(points):
        return Split(matrix(points, 7), csr_array(matrix(points, 5) > 0, dtype=np.float32), NO_PAIRS)

    nameless = XCData(name="drinks", train=split(9), test=split(4), label_features=matrix(5, 7))
    write_folder(nameless, folder.path, layout)

    assert folder.read().fingerprint == nameless.fingerprint


@pytest.mark.parametrize("layout", TEXTUAL)
def test_text_layouts_need_texts_of_points_and_labels(folder, data, texts, layout):
    with pytest.raises(UserError, match=r"drinks: .*texts of its points.* found only sparse features"):
        write_folder(data, folder.path, layout)
    with pytest.raises(UserError, match=r"drinks: .*names of its labels.* found only sparse features"):
        write_folder(replace(data, label_names=()), folder.path / "new", layout, texts=texts)


@pytest.mark.parametrize("layout", TEXTUAL)
@pytest.mark.parametrize(("count", "found"), [(4, "4"), (6, "more")])
def test_wrong_number_of_texts_is_refused(folder, data, texts, layout, count, found):
    wrong = PointTexts(["x"] * count, texts.test)

    with pytest.raises(UserError, match=rf"drinks, training points: expected 5 texts, found {found}"):
        write_folder(data, folder.path, layout, texts=wrong)


def test_only_json_holds_texts_with_line_breaks(folder, data, texts):
    broken = PointTexts(["red\nwine", *texts.train[1:]], texts.test)
    write_folder(data, folder.path, "json", texts=broken)

    assert len(folder.read().train) == 5
    with pytest.raises(UserError, match=r"trn_X\.txt, line 1: .*without line breaks, found 'red\\nwine'"):
        write_folder(data, folder.path / "new", "texts", texts=broken)


def test_folder_with_files_is_not_overwritten(folder, data):
    write_folder(data, folder.path / "a" / "b", "split")
    with pytest.raises(UserError, match=r"b: .*new or an empty folder, found files in it"):
        write_folder(data, folder.path / "a" / "b", "single_file")
    folder.write("file", "x")
    with pytest.raises(UserError, match=r"file: .*new or an empty folder, found a file"):
        write_folder(data, folder.path / "file", "single_file")


def test_unknown_layout_creates_no_folder(folder, data):
    with pytest.raises(UserError, match=r"layout: .*split, single_file, json, texts, found xml"):
        write_folder(data, folder.path / "new", "xml")
    assert not (folder.path / "new").exists()


# --- texts of points --------------------------------------------------------------------------------------


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("layout", TEXTUAL)
def test_point_texts_are_the_written_texts(folder, data, texts, layout, compress):
    write_folder(data, folder.path, layout, texts=texts, compress=compress)

    found = find_point_texts(folder.path)

    assert found is not None
    for _ in range(2):  # each iteration reads the files again
        assert tuple(found.train) == texts.train
        assert tuple(found.test) == texts.test


@pytest.mark.parametrize("layout", SPARSE)
def test_sparse_layouts_have_no_point_texts(folder, data, layout):
    write_folder(data, folder.path, layout)

    assert find_point_texts(folder.path) is None


def test_point_texts_of_a_named_layout(folder, data, texts):
    for layout in ("split", "json"):
        write_folder(data, folder.path / layout, layout, texts=texts)
        for path in (folder.path / layout).iterdir():
            path.replace(folder.path / path.name)
        (folder.path / layout).rmdir()

    assert find_point_texts(folder.path) is None
    assert find_point_texts(folder.path, "json") is not None
    with pytest.raises(UserError, match=r"drinks: .*trn_X\.txt"):
        find_point_texts(folder.path, "texts")
