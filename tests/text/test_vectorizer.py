import numpy as np
import pytest

from xcgraph.errors import UserError
from xcgraph.text.vectorizer import WordVectorizer

TRAIN = ["Vitamin C, an acid", "an x ray of x", "a ray"]
TEST = ["X of unseen unseen", "nothing"]
LABELS = ["vitamin c", "x ray"]


def test_word_weights_match_a_naive_computation():
    vectorized = WordVectorizer().fit_transform(TRAIN, TEST, label_texts=LABELS)

    assert vectorized.vocabulary == ("an", "c", "ray", "vitamin", "x")
    frequency = np.array([2, 2, 3, 2, 2])  # texts among the 5 training and label texts
    idf = np.log((1 + 5) / (1 + frequency)) + 1
    counts = {
        "train": [[1, 1, 0, 1, 0], [1, 0, 1, 0, 2], [0, 0, 1, 0, 0]],
        "test": [[0, 0, 0, 0, 1], [0, 0, 0, 0, 0]],
        "labels": [[0, 1, 0, 1, 0], [0, 0, 1, 0, 1]],
    }
    for part, count in counts.items():
        weights = np.array(count) * idf
        norms = np.linalg.norm(weights, axis=1, keepdims=True)
        expected = np.divide(weights, norms, out=np.zeros_like(weights), where=norms > 0)
        found = getattr(vectorized, part)
        assert found.dtype == np.float32
        assert found.has_sorted_indices
        np.testing.assert_allclose(found.toarray(), expected, rtol=1e-6)


def test_min_df_counts_training_and_label_texts_only():
    vocabulary = WordVectorizer(min_df=2).fit_transform(["a", "b"], ["b"] * 9, label_texts=["a"]).vocabulary

    assert vocabulary == ("a",)


def test_test_texts_may_be_empty():
    vectorized = WordVectorizer().fit_transform(TRAIN, [], label_texts=LABELS)

    assert vectorized.test.shape == (0, 5)
    assert vectorized.test.dtype == np.float32


def test_texts_may_be_iterators():
    streamed = WordVectorizer().fit_transform(iter(TRAIN), iter(TEST), label_texts=LABELS)
    expected = WordVectorizer().fit_transform(TRAIN, TEST, label_texts=LABELS)

    for part in ("train", "test", "labels"):
        np.testing.assert_array_equal(getattr(streamed, part).toarray(), getattr(expected, part).toarray())


@pytest.mark.parametrize("train", [["a", "b"], ["...", "!"], []])
def test_texts_without_tokens_are_refused(train: list[str]):
    with pytest.raises(UserError, match=r"text\.min_df: .*min_df=2"):
        WordVectorizer().fit_transform(train, [], label_texts=[])


def test_min_df_below_one_is_refused():
    with pytest.raises(UserError, match=r"text\.min_df must be ≥ 1, got 0"):
        WordVectorizer(min_df=0)
