"""A reader's rows are those that the data set's own texts got, and they survive the disk."""

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
    "tokens",
    [
        WordVectorizer(min_df=1),
        WordPieceVectorizer(vocabulary_size=60, min_df=1),
        SubwordVectorizer(min_df=1),
    ],
)
def test_texts_get_the_rows_that_the_data_set_has(tokens, tmp_path):
    features = tokens.fit_transform(TRAIN, TEST, label_texts=LABELS)

    features.vectorizer.save(tmp_path)
    stored = FittedVectorizer.load(tmp_path, features.vocabulary)
    for vectorizer in (features.vectorizer, stored):
        for texts, rows in ((TRAIN, features.train), (TEST, features.test), (LABELS, features.labels)):
            assert_same_rows(vectorizer.transform(texts), rows)
            assert_same_rows(vectorizer.transform(texts[2:3]), rows[2:3])
        assert vectorizer.transform([]).shape == (0, len(features.vocabulary))


def test_a_data_set_of_texts_brings_its_reader():
    points = LabelledTexts(TRAIN, [["a"], ["b"], ["a"], ["b"], ["a"]])
    data = from_texts(points, LabelledTexts(TEST[:1], [["a"]]), name="toy", text=WordVectorizer(min_df=1))

    assert_same_rows(data.vectorizer.transform(TEST[:1]), data.test.features)


def test_nothing_saved_is_no_reader(tmp_path):
    assert FittedVectorizer.load(tmp_path, ("a",)) is None


def test_a_tokenizer_that_is_none_is_refused():
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
def test_a_tokenizer_of_another_kind_is_refused(path, value):
    features = WordPieceVectorizer(vocabulary_size=60, min_df=1).fit_transform(
        TRAIN, TEST, label_texts=LABELS
    )
    pieces = json.loads(features.vectorizer.tokenizer.definition)
    node = pieces
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = value

    with pytest.raises(ValueError, match="for WordPieceFile"):
        WordPieceTokenizer(json.dumps(pieces))


@pytest.mark.parametrize("idf", [np.nan, np.inf, 0.0, -1.0])
def test_weights_that_are_none_are_refused(idf):
    with pytest.raises(ValueError, match="Expected positive weights"):
        FittedVectorizer(("a",), np.array([idf], np.float32))


def test_weights_belong_to_the_vocabulary():
    with pytest.raises(ValueError, match="Expected 2 weights of tokens"):
        FittedVectorizer(("a", "b"), np.ones(1, np.float32))


@pytest.mark.parametrize("content", ["[3]", "[3, true]", "{}", "[4, 3]", "3 4"])
def test_damaged_lengths_of_runs_are_refused(tmp_path, content):
    WordVectorizer(min_df=1).fit_transform(TRAIN, TEST, label_texts=LABELS).vectorizer.save(tmp_path)
    (tmp_path / "grams.json").write_text(content)

    with pytest.raises(ValueError, match=r"grams\.json|shortest|Extra data"):
        FittedVectorizer.load(tmp_path, ())
