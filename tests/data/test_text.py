import numpy as np
import pytest

from xcgraph.data.text import tfidf_features
from xcgraph.errors import UserError

TRAIN = ["Vitamin C, an acid", "an x ray of x", "a ray"]
TEST = ["X of unseen unseen", "nothing"]
LABELS = ["vitamin c", "x ray"]


def test_tfidf_features_equal_a_naive_computation():
    features = tfidf_features(TRAIN, TEST, label_texts=LABELS)

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
    vocabulary = tfidf_features(["a", "b"], ["b"] * 9, label_texts=["a"], min_df=2).vocabulary

    assert vocabulary == ("a",)


def test_a_data_set_may_have_no_test_texts():
    features = tfidf_features(TRAIN, [], label_texts=LABELS)

    assert features.test.shape == (0, 5)
    assert features.test.dtype == np.float32


@pytest.mark.parametrize("train", [["a", "b"], ["...", "!"], []])
def test_no_token_left(train: list[str]):
    with pytest.raises(UserError, match=rf"min_df=2 of {len(train)} training and label texts, found none"):
        tfidf_features(train, [], label_texts=[])
