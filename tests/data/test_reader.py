"""A reader's rows are those that the data set's own texts got, and they survive the disk."""

import numpy as np
import pytest

from xcgraph.data.cutters import Pieces
from xcgraph.data.from_texts import LabelledTexts, from_texts
from xcgraph.data.reader import TextReader
from xcgraph.data.subwords import Subwords
from xcgraph.data.text import WordTokens
from xcgraph.data.wordpiece import WordPiece
from xcgraph.errors import UserError

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
    "tokens", [WordTokens(min_df=1), WordPiece(vocabulary_size=60, min_df=1), Subwords(min_df=1)]
)
def test_texts_get_the_rows_that_the_data_set_has(tokens, tmp_path):
    features = tokens.weigh(TRAIN, TEST, label_texts=LABELS)

    features.reader.save(tmp_path)
    stored = TextReader.load(tmp_path, features.vocabulary)
    for reader in (features.reader, stored):
        for texts, rows in ((TRAIN, features.train), (TEST, features.test), (LABELS, features.labels)):
            assert_same_rows(reader.read(texts), rows)
            assert_same_rows(reader.read(texts[2:3]), rows[2:3])
        assert reader.read([]).shape == (0, len(features.vocabulary))


def test_a_data_set_of_texts_brings_its_reader():
    points = LabelledTexts(TRAIN, [["a"], ["b"], ["a"], ["b"], ["a"]])
    data = from_texts(points, LabelledTexts(TEST[:1], [["a"]]), name="toy", text=WordTokens(min_df=1))

    assert_same_rows(data.reader.read(TEST[:1]), data.test.features)


def test_nothing_saved_is_no_reader(tmp_path):
    assert TextReader.load(tmp_path, ("a",)) is None


def test_a_tokenizer_that_is_none_is_refused():
    reader = TextReader(("a",), np.ones(1, np.float32), Pieces("{}"))

    with pytest.raises(UserError, match=r"tokenizer\.json: expected a tokenizer, found what is none"):
        reader.read(["a"])


def test_weights_belong_to_the_vocabulary():
    with pytest.raises(ValueError, match="Expected 2 weights of tokens"):
        TextReader(("a", "b"), np.ones(1, np.float32))


@pytest.mark.parametrize("content", ["[3]", "[3, true]", "{}", "[4, 3]", "3 4"])
def test_damaged_lengths_of_runs_are_refused(tmp_path, content):
    WordTokens(min_df=1).weigh(TRAIN, TEST, label_texts=LABELS).reader.save(tmp_path)
    (tmp_path / "grams.json").write_text(content)

    with pytest.raises(ValueError, match=r"grams\.json|shortest|Extra data"):
        TextReader.load(tmp_path, ())
