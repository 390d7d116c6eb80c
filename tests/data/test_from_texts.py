import numpy as np
import pytest
from scipy.sparse import coo_array, csc_matrix, csr_array

from xcgraph.data.from_texts import LabelledTexts, from_texts
from xcgraph.errors import UserError
from xcgraph.text.vectorizer import WordVectorizer

TRAIN = LabelledTexts(["red wine", "white wine", "green tea"], [["drink", "wine"], ["wine"], []])
TEST = LabelledTexts(["black tea"], [["drink", "coffee"]])
NO_POINTS = LabelledTexts([], [])

# Rows of 0 and 1 as a label binarizer returns them.
INDICATOR = np.array([[1, 0, 0], [0, 0, 1]])
LABEL_TEXTS = ["a", "b", "c"]


def make(train=TRAIN, test=TEST, **changes):
    return from_texts(train, test, name="mine", text=WordVectorizer(min_df=1), **changes)


def make_numbered(labels, test=NO_POINTS, label_texts=LABEL_TEXTS):
    return make(LabelledTexts(["red apple", "apple pear"], labels), test, label_texts=label_texts)


def test_names_become_sorted_columns_with_their_names_as_texts():
    data = make()

    assert data.label_names == ("drink", "wine")
    np.testing.assert_array_equal(data.train.labels.toarray(), [[1, 1], [0, 1], [0, 0]])
    assert data.vocabulary == ("drink", "green", "red", "tea", "white", "wine")
    assert data.label_features[[1]].indices.tolist() == [5]
    assert data.test.features.indices.tolist() == [3]  # "black" is in no training text
    assert (data.name, data.propensity_a, len(data.train.filter_pairs)) == ("mine", 0.55, 0)


def test_labels_of_test_points_only_are_dropped_with_a_warning(caplog):
    data = make()

    np.testing.assert_array_equal(data.test.labels.toarray(), [[1, 0]])
    assert "1 labels" in caplog.text


def test_mapping_of_label_texts_replaces_names_and_adds_labels(caplog):
    data = make(label_texts={"wine": "made of grapes", "coffee": "made of beans"})

    assert data.label_names == ("made of beans", "drink", "made of grapes")  # coffee, drink, wine
    np.testing.assert_array_equal(data.test.labels.toarray(), [[1, 1, 0]])
    assert not caplog.records


def test_numbers_are_positions_in_the_list_of_label_texts():
    train = LabelledTexts(["red wine", "tea"], [np.array([2, 0]), (1,)])
    data = make(train, NO_POINTS, label_texts=["drink", "leaf", "grape"])

    assert data.label_names == ("drink", "leaf", "grape")
    np.testing.assert_array_equal(data.train.labels.toarray(), [[1, 0, 1], [0, 1, 0]])
    assert data.test.labels.shape == (0, 3)


@pytest.mark.parametrize(
    "convert",
    [
        np.array,
        lambda rows: rows.astype(bool),
        lambda rows: rows.astype(np.float32),
        csr_array,
        coo_array,
        csc_matrix,
        lambda rows: csr_array(rows.astype(bool)),
    ],
    ids=["int", "bool", "float", "csr", "coo", "csc_matrix", "csr_bool"],
)
def test_indicator_matrix_equals_lists_of_ids(convert):
    test = LabelledTexts(["pear"], convert(INDICATOR[:1]))
    data = make_numbered(convert(INDICATOR), test)

    np.testing.assert_array_equal(data.train.labels.toarray(), INDICATOR)
    assert data.fingerprint == make_numbered([[0], [2]], LabelledTexts(["pear"], [[0]])).fingerprint


def test_indicator_matrix_ignores_stored_zeros_and_may_have_no_rows():
    stored_zero = csr_array((np.array([1.0, 0.0, 1.0]), ([0, 0, 1], [0, 1, 2])), shape=(2, 3))
    data = make_numbered(stored_zero, LabelledTexts([], np.empty((0, 3), np.int64)))

    assert data.train.labels.nnz == 2
    assert data.test.labels.shape == (0, 3)


def test_array_with_one_column_of_ids_is_no_indicator_matrix():
    data = make_numbered(np.array([[0], [1]]))

    np.testing.assert_array_equal(data.train.labels.toarray(), [[1, 0, 0], [0, 1, 0]])


def test_array_of_ids_is_read_as_lists():
    data = make_numbered(np.array([[2, 0], [1, 2]]))

    np.testing.assert_array_equal(data.train.labels.toarray(), [[1, 0, 1], [0, 1, 1]])


@pytest.mark.parametrize(
    ("labels", "label_texts", "message"),
    [
        (INDICATOR[:, :2], LABEL_TEXTS, r"train: .*3 columns.*\(2, 2\)"),
        (csr_array((2, 4)), LABEL_TEXTS, r"train: .*3 columns.*\(2, 4\)"),
        (csr_array(INDICATOR * 2), LABEL_TEXTS, r"train: .*0 and 1.* 2"),
        (INDICATOR * 0.5, LABEL_TEXTS, r"train: .*0 and 1.* 0\.5"),
        (np.array([[np.nan, 1, 0], [1, 0, 0]]), LABEL_TEXTS, r"train: .*0 and 1.* nan"),
        (INDICATOR[:1], LABEL_TEXTS, "train: .* 2 texts.* 1 "),
        (INDICATOR, None, "train: .*label_texts"),
        (csr_array(INDICATOR), {"a": "an apple"}, "train: .*label_texts"),
    ],
)
def test_bad_indicator_matrix_is_refused(labels, label_texts, message):
    with pytest.raises(UserError, match=message):
        make_numbered(labels, label_texts=label_texts)


@pytest.mark.parametrize(
    ("labels", "label_texts"),
    [
        (INDICATOR.tolist(), LABEL_TEXTS),
        (list(INDICATOR), LABEL_TEXTS),
        (INDICATOR.astype(bool).tolist(), LABEL_TEXTS),
        (INDICATOR.astype(float).tolist(), LABEL_TEXTS),
        ([[0, 1], [1, 0]], ["a", "b"]),
    ],
    ids=["lists", "arrays", "bool", "float", "two_labels"],
)
def test_lists_of_indicator_rows_are_refused_with_the_remedy(labels, label_texts):
    with pytest.raises(UserError, match=r"train, row 0: .*(1, 0, 0|0, 1|1\.0, 0\.0|True, False).*numpy"):
        make_numbered(labels, label_texts=label_texts)


@pytest.mark.parametrize(
    ("labels", "label_texts", "message"),
    [
        ([[0], [2, 1, 2]], LABEL_TEXTS, "train, row 1: .*label 2 twice"),
        (list(np.array([[0, 2], [1, 1]])), LABEL_TEXTS, "train, row 1: .*label 1 twice"),
        ([[0], [1, 1]], LABEL_TEXTS, "train, row 1: .*label 1 twice.*numpy"),
        ([[], [0, 1, 0, 1]], LABEL_TEXTS, "train, row 1: .*label 0 twice"),
        ([["x"], ["y", "y"]], None, "train, row 1: .*label 'y' twice"),
    ],
)
def test_repeated_label_of_a_point_is_refused(labels, label_texts, message):
    with pytest.raises(UserError, match=message):
        make_numbered(labels, label_texts=label_texts)


def test_repeated_label_of_a_test_point_is_refused():
    with pytest.raises(UserError, match=r"test, row 0: .*label 2 twice"):
        make_numbered([[0], [1]], LabelledTexts(["pear"], [[2, 2]]))


def test_columns_of_a_table_are_accepted():
    texts, labels = np.array(TRAIN.texts, object), np.empty(3, object)
    labels[:] = TRAIN.labels

    assert make(LabelledTexts(texts, labels)).fingerprint == make().fingerprint


def test_generators_are_accepted():
    train = LabelledTexts(iter(TRAIN.texts), (tuple(own) for own in TRAIN.labels))

    assert make(train).fingerprint == make().fingerprint


def test_words_are_the_default_tokens():
    train = LabelledTexts(["a tea", "a wine"], [["tea"], ["wine"]])

    assert from_texts(train, NO_POINTS, name="mine").vocabulary == ("a", "tea", "wine")


@pytest.mark.parametrize(
    ("train", "changes", "message"),
    [
        (LabelledTexts(["a", "b"], [["x"]]), {}, "train: .* 2 texts.* 1 "),
        (LabelledTexts(["a", float("nan")], [[], []]), {}, "train, row 1: .*text.* nan"),
        (LabelledTexts(["a"], ["x"]), {}, r"train, row 0: .*list.* 'x'.*\['x'\]"),
        (LabelledTexts(["a"], [None]), {}, "train, row 0: .*list.* None"),
        (LabelledTexts(["a"], [[7]]), {}, "train, row 0: .*name.* 7.*label_texts"),
        (LabelledTexts(["a"], [[2]]), {"label_texts": ["x", "y"]}, "train, row 0: .*0 to 1.* 2"),
        (LabelledTexts(["a"], [[-1]]), {"label_texts": ["x", "y"]}, "train, row 0: .*0 to 1.* -1"),
        (LabelledTexts(["a"], [[True]]), {"label_texts": ["x", "y"]}, "train, row 0: .*0 to 1.* True"),
        (LabelledTexts(["a"], [["x"]]), {"label_texts": ["x", "y"]}, "train, row 0: .*0 to 1.* 'x'"),
        (LabelledTexts(["a"], [[0]]), {"label_texts": ["x", None]}, "label_texts, row 1: .*text.* None"),
    ],
)
def test_errors_name_the_split_the_row_and_the_value(train, changes, message):
    with pytest.raises(UserError, match=message):
        make(train, NO_POINTS, **changes)
