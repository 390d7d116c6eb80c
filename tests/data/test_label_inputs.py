import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array, csr_matrix

from xcgraph.data.label_inputs import LabelRows, read_label_texts, read_labels, read_texts
from xcgraph.errors import UserError

DENSE = np.array([[1, 0, 1], [0, 1, 0], [0, 0, 0]])


@pytest.mark.parametrize(
    "texts",
    [["a", "b"], ("a", "b"), np.array(["a", "b"]), pd.Series(["a", "b"]), (text for text in "ab")],
    ids=["list", "tuple", "numpy", "pandas", "generator"],
)
def test_texts(texts):
    assert read_texts(texts) == ["a", "b"]


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ("a text", "expected a list of texts, got str"),
        (7, "expected a list of texts, got int"),
        (pd.DataFrame({"text": ["a"]}), "select one"),
        (["a", None], "row 1.*NoneType"),
        (["a", 3.0], "row 1.*float"),
        (["a", " "], "row 1.*empty"),
    ],
    ids=["text", "number", "frame", "none", "float", "blank"],
)
def test_other_texts_are_refused(texts, expected):
    with pytest.raises(UserError, match=f"(?s)texts.*{expected}|texts, {expected}"):
        read_texts(texts)


@pytest.mark.parametrize(
    ("labels", "rows", "are_integers"),
    [
        ([["x", "y"], ["z"], []], [["x", "y"], ["z"], []], False),
        ([[7, 2], [2], []], [["7", "2"], ["2"], []], True),
        (pd.Series([["x"], ["y", "z"]]), [["x"], ["y", "z"]], False),
        (np.array([3, 4]), [["3"], ["4"]], True),
        (["x", "y"], [["x"], ["y"]], False),
        ([{"x"}, ("y",)], [["x"], ["y"]], False),
        ([np.array([1, 2]), np.array([1])], [["1", "2"], ["1"]], True),
        ([[0, 1], [1, 0]], [["0", "1"], ["1", "0"]], True),
    ],
    ids=["names", "numbers", "series", "one number", "one name", "set", "arrays", "two ids a row"],
)
def test_lists_of_ids(labels, rows, are_integers):
    assert read_labels(labels) == LabelRows(rows, (), are_integers)


@pytest.mark.parametrize(
    ("labels", "ids"),
    [
        (DENSE, ("0", "1", "2")),
        (DENSE.astype(bool), ("0", "1", "2")),
        (DENSE.astype(float), ("0", "1", "2")),
        (csr_array(DENSE), ("0", "1", "2")),
        (csr_matrix(DENSE), ("0", "1", "2")),
        (pd.DataFrame(DENSE, columns=["x", "y", "z"]), ("x", "y", "z")),
    ],
    ids=["dense", "bool", "float", "sparse", "matrix", "frame"],
)
def test_indicator_matrices(labels, ids):
    found = read_labels(labels)
    assert found.ids == ids
    assert found.rows == [[ids[0], ids[2]], [ids[1]], []]


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ("L1", "labels: expected one list"),
        (5, "labels: expected one list"),
        ([["x", "x"]], "labels, row 0: label 'x' occurs twice"),
        ([["x"], None], "labels, row 1.*NoneType"),
        ([["x"], [None]], "labels, row 1.*None"),
        ([["x"], [2.5]], r"labels, row 1.*2\.5"),
        ([["x"], [""]], "labels, row 1.*''"),
        ([["x"], [True]], "labels, row 1.*True"),
        (DENSE.tolist(), "labels: the rows look like indicators"),
        (DENSE * 2, "labels: expected a matrix of zeros and ones"),
        (csr_array(DENSE * 2), "labels: expected a sparse matrix of ones"),
    ],
)
def test_other_labels_are_refused(labels, expected):
    with pytest.raises(UserError, match=expected):
        read_labels(labels)


def test_label_texts():
    rows = read_labels([["x"], ["y"]])
    known = {"x": "board", "y": "apple"}
    assert read_label_texts({**known, "z": "lamp"}, rows) == {**known, "z": "lamp"}
    assert read_label_texts(pd.Series(known), rows) == known
    assert read_label_texts(None, rows) is None
    assert read_label_texts(["a", "b"], read_labels([[0], [1]])) == {"0": "a", "1": "b"}
    assert read_label_texts(["a", "b", "c"], read_labels(DENSE)) == {"0": "a", "1": "b", "2": "c"}


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ({"x": "board"}, "no text for 1 labels, such as y"),
        ({"x": "board", "y": None}, "label_texts, row 1"),
        ({"x": "board", 2.5: "y"}, r"label_texts.*2\.5"),
    ],
)
def test_other_label_texts_are_refused(texts, expected):
    with pytest.raises(UserError, match=expected):
        read_label_texts(texts, read_labels([["x"], ["y"]]))
