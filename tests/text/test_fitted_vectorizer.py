"""Tests that a fitted vectorizer reproduces the rows of its data set, also after it was saved and loaded."""

import json

import numpy as np
import pytest

from xcgraph.data.from_texts import LabelledTexts, from_texts
from xcgraph.text.fitted_vectorizer import FittedVectorizer
from xcgraph.text.subwords import SubwordVectorizer
from xcgraph.text.tokenizers import WordPieceTokenizer
from xcgraph.text.vectorizer import WordVectorizer
from xcgraph.text.wordpiece import WordPieceVectorizer

TRAIN = ["Vitamin C, an acid", "an x ray of x", "a Ray", "", "naïve rays ΑΣ"]
TEST = ["X of unseen unseen", "nothing", "x x X c VITAMIN ray ray", "", "naïve acids"]
LABELS = ["vitamin c", "x ray"]


def assert_same_rows(found, expected):
    assert found.shape == expected.shape
    assert found.has_sorted_indices
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found.indptr, expected.indptr)
    np.testing.assert_array_equal(found.indices, expected.indices)
    np.testing.assert_allclose(found.data, expected.data, rtol=1e-6)


@pytest.mark.parametrize(
    "unfitted",
    [
        WordVectorizer(min_df=1),
        WordPieceVectorizer(vocabulary_size=60, min_df=1),
        SubwordVectorizer(min_df=1),
    ],
    ids=["words", "wordpiece", "subwords"],
)
def test_transform_returns_the_rows_of_fit_transform(unfitted, tmp_path):
    vectorized = unfitted.fit_transform(TRAIN, TEST, label_texts=LABELS)

    vectorized.vectorizer.save(tmp_path)
    stored = FittedVectorizer.load(tmp_path, vectorized.vocabulary)
    for vectorizer in (vectorized.vectorizer, stored):
        for texts, rows in ((TRAIN, vectorized.train), (TEST, vectorized.test), (LABELS, vectorized.labels)):
            assert_same_rows(vectorizer.transform(texts), rows)
            assert_same_rows(vectorizer.transform(texts[2:3]), rows[2:3])
        assert vectorizer.transform([]).shape == (0, len(vectorized.vocabulary))


def test_from_texts_keeps_the_fitted_vectorizer():
    points = LabelledTexts(TRAIN, [["a"], ["b"], ["a"], ["b"], ["a"]])
    data = from_texts(points, LabelledTexts(TEST[:1], [["a"]]), name="toy", text=WordVectorizer(min_df=1))

    assert_same_rows(data.vectorizer.transform(TEST[:1]), data.test.features)


def test_load_returns_none_from_an_empty_folder(tmp_path):
    assert FittedVectorizer.load(tmp_path, ("a",)) is None


def test_empty_tokenizer_definition_is_refused():
    with pytest.raises(ValueError, match="validation errors for WordPieceFile"):
        WordPieceTokenizer("{}")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("padding",), {"strategy": {"Fixed": 10**12}}),
        (("truncation",), {"max_length": 1}),
        (("added_tokens",), [{"id": 0, "content": "a"}]),
        (("pre_tokenizer",), {"type": "Split", "pattern": {"Regex": "(a*)*b"}, "behavior": "Isolated"}),
        (("normalizer", "type"), "Replace"),
        (("model", "type"), "BPE"),
        (("model", "unk_token"), "unheard of"),
        (("model", "max_input_chars_per_word"), 10**9),
        (("model", "vocab"), {"a": -1, "[UNK]": 2**40}),
        (("more",), None),
    ],
)
def test_tokenizer_definition_of_another_kind_is_refused(path, value):
    vectorized = WordPieceVectorizer(vocabulary_size=60, min_df=1).fit_transform(
        TRAIN, TEST, label_texts=LABELS
    )
    pieces = json.loads(vectorized.vectorizer.tokenizer.definition)
    node = pieces
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = value

    with pytest.raises(ValueError, match="for WordPieceFile"):
        WordPieceTokenizer(json.dumps(pieces))


@pytest.mark.parametrize("idf", [np.nan, np.inf, 0.0, -1.0])
def test_idf_that_is_not_positive_is_refused(idf):
    with pytest.raises(ValueError, match=r"idf: .*positive"):
        FittedVectorizer(("a",), np.array([idf], np.float32))


def test_idf_of_another_length_is_refused():
    with pytest.raises(ValueError, match=r"idf: .*\(2,\), got \(1,\)"):
        FittedVectorizer(("a", "b"), np.ones(1, np.float32))


@pytest.mark.parametrize("content", ["[3]", "[3, true]", "{}", "[4, 3]", "3 4"])
def test_damaged_ngram_lengths_are_refused(tmp_path, content):
    WordVectorizer(min_df=1).fit_transform(TRAIN, TEST, label_texts=LABELS).vectorizer.save(tmp_path)
    (tmp_path / "grams.json").write_text(content)

    with pytest.raises(ValueError, match=r"grams\.json|shortest|Extra data"):
        FittedVectorizer.load(tmp_path, ())
