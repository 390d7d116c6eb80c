"""Texts to token weights: TF-IDF over one vocabulary that points and labels share."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array, csr_matrix
from sklearn.feature_extraction.text import TfidfVectorizer

from xcgraph.errors import UserError

# One-letter words count too, unlike scikit-learn's default: "x ray", "vitamin C".
TOKEN_PATTERN = r"\w+"


@dataclass(frozen=True)
class TfidfFeatures:
    """Token weights of a data set's texts; rows have unit L2 norm, or are empty without a known token.

    Attributes:
        train: (train points, tokens) float32.
        test: (test points, tokens) float32.
        labels: (labels, tokens) float32.
        vocabulary: one lower-case token per column, sorted.
    """

    train: csr_array
    test: csr_array
    labels: csr_array
    vocabulary: tuple[str, ...]


def tfidf_features(
    train_texts: Sequence[str], test_texts: Sequence[str], *, label_texts: Sequence[str], min_df: int = 2
) -> TfidfFeatures:
    """Weigh lower-case word tokens by TF-IDF; test texts shape neither the vocabulary nor the weights.

    Args:
        train_texts: one text per training point.
        test_texts: one text per test point.
        label_texts: one text per label.
        min_df: least number of training and label texts that a token must occur in.

    Raises:
        UserError: no token occurs in ``min_df`` texts.
    """
    vectorizer = TfidfVectorizer(token_pattern=TOKEN_PATTERN, min_df=min_df, dtype=np.float32)
    fitted_on = [*train_texts, *label_texts]
    try:
        fitted = _sorted_csr(vectorizer.fit_transform(fitted_on))
    except ValueError as error:  # scikit-learn's way to say that no token is left
        raise UserError(
            f"Expected tokens that occur in at least min_df={min_df} of {len(fitted_on)} training and label "
            "texts, found none; lower min_df or check the texts."
        ) from error
    # scikit-learn refuses to transform nothing.
    no_test: csr_array = csr_array((0, fitted.shape[1]), dtype=np.float32)
    return TfidfFeatures(
        train=fitted[: len(train_texts)],
        test=_sorted_csr(vectorizer.transform(test_texts)) if test_texts else no_test,
        labels=fitted[len(train_texts) :],
        vocabulary=tuple(map(str, vectorizer.get_feature_names_out())),
    )


def _sorted_csr(matrix: csr_array | csr_matrix) -> csr_array:
    """Give scikit-learn's matrix, whose class depends on the version, as an array with sorted indices."""
    array: csr_array = csr_array(matrix)
    array.sort_indices()
    return array
