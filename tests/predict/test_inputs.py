"""Texts, bags and sparse rows become the same rows; what is none is refused with its place."""

import numpy as np
import pytest
from scipy.sparse import csc_matrix, csr_array

from xcgraph.errors import UserError
from xcgraph.predict.inputs import InputReader
from xcgraph.text.fitted_vectorizer import FittedVectorizer

from .test_folder import with_words


class Words:
    """Three words and their reader."""

    vocabulary = ("apple", "pear", "red")
    vectorizer = FittedVectorizer(vocabulary, np.array([1, 2, 3], np.float32))


@pytest.fixture(scope="module")
def inputs(trained):
    return InputReader(with_words(trained("eclare")[1], Words))


@pytest.fixture(scope="module")
def wordless(trained):
    """A model of sparse features, whose tokens have no names: 60 of them."""
    return InputReader(trained("eclare")[1])


def test_texts_bags_and_rows_in_their_order(inputs):
    items = ["red", {"pear": 2.0, "unknown": 1.0}, "", {2: 0.5, 0: 1}, "Apple, apple"]

    rows = inputs.rows(items)

    expected = [[0, 0, 1], [0, 2, 0], [0, 0, 0], [1, 0, 0.5], [1, 0, 0]]
    assert rows.toarray().tolist() == expected
    assert rows.dtype == np.float32
    assert inputs.rows(["red", "pear"]).toarray().tolist() == [[0, 0, 1], [0, 1, 0]]
    assert inputs.rows([{0: 1}]).toarray().tolist() == [[1, 0, 0]]
    assert inputs.rows([]).shape == (0, 3)
    for given in (csr_array(expected), csc_matrix(np.array(expected, np.float64))):
        assert inputs.rows(given).toarray().tolist() == expected


def test_columns_need_no_names(wordless):
    assert wordless.rows([{59: 1.5}, {}]).toarray()[:, 59].tolist() == [1.5, 0]
    assert wordless.rows([]).shape == (0, 60)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("red", "Expected a list of texts or bags, or a sparse matrix, found a text: put it in"),
        (["red", 7], "Input 1: expected a text or weights of tokens, found int"),
        ([None], "Input 0: expected a text or weights of tokens, found NoneType"),
        ([{"red": "much"}], "Input 0: expected a finite weight .* token 'red', found 'much'"),
        ([{"red": True}], "expected a finite weight .*, found True"),
        ([{"red": float("nan")}], "expected a finite weight .*, found nan"),
        ([{"red": 1e9}], "expected a finite weight of at most 1e[+]06"),
        ([{3: 1.0}], "expected columns of tokens from 0 to 2, found 3"),
        ([{-1: 1.0}], "expected columns of tokens from 0 to 2, found -1"),
        ([{0.5: 1.0}], "expected columns of tokens from 0 to 2, found 0.5"),
        (csr_array((1, 4)), "Expected rows of 3 tokens, found a matrix of shape"),
        (csr_array([[0, np.inf, 0]]), "Expected finite weights of at most"),
    ],
)
def test_what_is_no_input_is_refused(inputs, given, message):
    with pytest.raises(UserError, match=message):
        inputs.rows(given)


def test_a_model_of_sparse_features_says_why_it_reads_no_text(wordless):
    with pytest.raises(UserError, match=r"found a text: toy has sparse features .* of tokens by column"):
        wordless.rows(["red"])
    with pytest.raises(UserError, match="a data set without a vocabulary; give numbers from 0 to 59"):
        wordless.rows([{"red": 1.0}])
