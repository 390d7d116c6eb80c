"""Texts, bags and sparse rows give the same rows; anything else is refused with its position and a remedy."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csc_matrix, csr_array

from xcgraph.errors import UserError
from xcgraph.predict.folder import save_model
from xcgraph.predict.inputs import InputReader, has_known_token
from xcgraph.text.fitted_vectorizer import FittedVectorizer

from .test_folder import with_words


class Words:
    """A vocabulary of three words and its vectorizer."""

    vocabulary = ("apple", "pear", "red")
    vectorizer = FittedVectorizer(vocabulary, np.array([1, 2, 3], np.float32))


@pytest.fixture(scope="module")
def inputs(trained):
    return InputReader(with_words(trained("eclare")[1], Words))


@pytest.fixture(scope="module")
def wordless(trained):
    """The reader of a model of sparse features, whose 60 tokens have no names."""
    return InputReader(trained("eclare")[1])


def test_texts_bags_and_sparse_rows_keep_their_order(inputs):
    items = ["red", {"pear": 2.0, "unknown": 1.0}, "", {2: 0.5, 0: 1}, "Apple, apple"]

    rows = inputs.rows(items)

    expected = [[0, 0, 1], [0, 2, 0], [0, 0, 0], [1, 0, 0.5], [1, 0, 0]]
    assert rows.toarray().tolist() == expected
    assert rows.dtype == np.float32
    assert inputs.rows(["red", "pear"]).toarray().tolist() == [[0, 0, 1], [0, 1, 0]]
    assert inputs.rows([{0: 1}]).toarray().tolist() == [[1, 0, 0]]
    assert inputs.rows([]).shape == (0, 3)
    for matrix in (csr_array(expected), csc_matrix(np.array(expected, np.float64))):
        assert inputs.rows(matrix).toarray().tolist() == expected


@pytest.mark.parametrize(
    "make",
    [
        tuple,
        iter,
        lambda texts: (text for text in texts),
        np.array,
        lambda texts: np.array(texts, object),
        pd.Series,
        lambda texts: pd.Series(texts, index=[7, 7]),
        lambda texts: pd.DataFrame({"text": texts})["text"],
        pd.Index,
    ],
    ids=[
        *("tuple", "iterator", "generator", "array", "object array", "Series"),
        *("Series with repeated index", "column of a DataFrame", "Index"),
    ],
)
def test_any_ordered_iterable_of_texts_is_accepted(make, inputs):
    assert inputs.rows(make(["red", "pear"])).toarray().tolist() == [[0, 0, 1], [0, 1, 0]]


def test_columns_need_no_names(wordless):
    assert wordless.rows([{59: 1.5}, {}]).toarray()[:, 59].tolist() == [1.5, 0]
    assert wordless.rows([]).shape == (0, 60)


@pytest.mark.parametrize(
    ("item", "message"),
    [
        (7, r"Input 1: .* found 7 of type int"),
        (None, r"Input 1: .* missing value \(NoneType\)"),
        (float("nan"), r"Input 1: .* missing value \(float\)"),
        (pd.NA, r"Input 1: .* missing value \(NAType\)"),
        (b"red", r"Input 1: .* found b'red' of type bytes"),
        (["red"], r"Input 1: .* found \['red'\] of type list"),
        ({"red": "much"}, r"Input 1: .* 1e\+06 .* 'red', found 'much'"),
        ({"red": True}, r"Input 1: .* 'red', found True"),
        ({"red": float("nan")}, r"Input 1: .* 'red', found nan"),
        ({"red": 1e9}, r"Input 1: .* at most 1e\+06 .* 'red', found 1000000000"),
        ({3: 1.0}, r"Input 1: .* columns from 0 to 2, found 3"),
        ({-1: 1.0}, r"Input 1: .* columns from 0 to 2, found -1"),
        ({0.5: 1.0}, r"Input 1: .* columns from 0 to 2, found 0.5"),
        ("\ud800", r"Input 1: .* Unicode, found .* '\\ud800'"),
    ],
    ids=repr,
)
def test_bad_item_is_refused_with_its_position(item, message, inputs):
    with pytest.raises(UserError, match=message):
        inputs.rows(["red", item])


@pytest.mark.parametrize(
    ("collection", "message"),
    [
        ("red", r"list of texts.* single text: put it in a list"),
        (b"red", r"list of texts.* single bytes: put it in a list"),
        ({"red": 0.8}, r"list of texts.* single dict: put a bag in a list"),
        ({"red"}, r"found a set, which has no order: use a list"),
        (
            pd.DataFrame({"title": ["red"], "n": [1]}),
            r"table \(DataFrame\).* \['title', 'n'\]: .* table\['title'\]",
        ),
        (pd.DataFrame(), r"table \(DataFrame\): .* table\['text'\]"),
        (np.zeros((2, 3)), r"dense ndarray: convert it with scipy\.sparse\.csr_array"),
        (csr_array((1, 4)), r"shape \(points, 3\).* found shape \(1, 4\)"),
        (csr_array([[0, np.inf, 0]]), r"at most 1e\+06, found inf"),
        (csr_array([[0, np.nan, 0]]), r"at most 1e\+06, found nan"),
    ],
    ids=["text", "bytes", "bag", "set", "table", "empty table", "dense", "wrong width", "infinite", "NaN"],
)
def test_bad_collection_is_refused_with_a_remedy(collection, message, inputs):
    with pytest.raises(UserError, match=message):
        inputs.rows(collection)


def test_model_of_sparse_features_refuses_texts_and_names(wordless):
    with pytest.raises(UserError, match=r"Input 0: .* by column, found a text: .* sparse features of toy"):
        wordless.rows(["red"])
    with pytest.raises(UserError, match=r"Input 0: .* columns from 0 to 59, found the token name 'red'"):
        wordless.rows([{"red": 1.0}])


def test_known_token_needs_a_nonzero_weight(inputs):
    rows = inputs.rows(["red", "🍏", "", {"unknown": 1.0}, {"pear": 0.0}, {1: 0.5}])

    assert has_known_token(rows).tolist() == [True, False, False, False, False, True]
    assert has_known_token(csr_array((0, 3), dtype=np.float32)).tolist() == []


def test_arguments_of_the_wrong_type_are_refused_in_one_sentence(trained, tmp_path):
    """The tests check types of arguments; users do not, so this test runs in an interpreter of its own."""
    save_model(with_words(trained("eclare")[1], Words), tmp_path / "model")
    code = (
        "import sys, json, xcgraph\n"
        "predictor = xcgraph.Predictor.load(sys.argv[1])\n"
        "def message(*arguments):\n"
        "    try:\n"
        "        return repr(predictor.predict(*arguments))\n"
        "    except xcgraph.errors.UserError as error:\n"
        "        return str(error)\n"
        "asked = [(7,), (None,), (['red'], 2.0), (['red'], '2'), (['red'], True), (['red'], None)]\n"
        "print(json.dumps([message(*each) for each in asked]))"
    )

    output = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "model"], capture_output=True, text=True, check=True
    )

    number, nothing, *top_k = json.loads(output.stdout)
    assert "list of texts" in number
    assert "found 7 of type int" in number
    assert "missing value (NoneType)" in nothing
    for message, value in zip(top_k, ("2.0", "'2'", "True", "None"), strict=True):
        assert message.startswith("top_k: expected a whole number from 1 to ")
        assert message.endswith(f", found {value}.")
