import numpy as np
import pytest

from xcgraph.data.text import WordTokens
from xcgraph.errors import UserError

TRAIN = ["Vitamin C, an acid", "an x ray of x", "a ray"]
TEST = ["X of unseen unseen", "nothing"]
LABELS = ["vitamin c", "x ray"]


def test_word_tokens_equal_a_naive_computation():
    features = WordTokens().weigh(TRAIN, TEST, label_texts=LABELS)

    assert features.vocabulary == ("an", "c", "ray", "vitamin", "x")
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
        found = getattr(features, part)
        assert found.dtype == np.float32
        assert found.has_sorted_indices
        np.testing.assert_allclose(found.toarray(), expected, rtol=1e-6)


def test_min_df_counts_training_and_label_texts_only():
    vocabulary = WordTokens(min_df=2).weigh(["a", "b"], ["b"] * 9, label_texts=["a"]).vocabulary

    assert vocabulary == ("a",)


def test_a_data_set_may_have_no_test_texts():
    features = WordTokens().weigh(TRAIN, [], label_texts=LABELS)

    assert features.test.shape == (0, 5)
    assert features.test.dtype == np.float32


def test_texts_may_come_one_by_one():
    streamed = WordTokens().weigh(iter(TRAIN), iter(TEST), label_texts=LABELS)
    expected = WordTokens().weigh(TRAIN, TEST, label_texts=LABELS)

    for part in ("train", "test", "labels"):
        np.testing.assert_array_equal(getattr(streamed, part).toarray(), getattr(expected, part).toarray())


@pytest.mark.parametrize("train", [["a", "b"], ["...", "!"], []])
def test_no_token_left(train: list[str]):
    with pytest.raises(UserError, match="at least min_df=2 of the training and label texts, found none"):
        WordTokens().weigh(train, [], label_texts=[])


def test_min_df_must_be_positive():
    with pytest.raises(UserError, match=r"text\.min_df must be ≥ 1, got 0"):
        WordTokens(min_df=0)
