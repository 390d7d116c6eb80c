"""Vectorizes texts: TF-IDF over one vocabulary, which points and labels share."""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from scipy.sparse import csr_array, csr_matrix
from sklearn.feature_extraction.text import TfidfVectorizer

from xcgraph.errors import UserError
from xcgraph.text.fitted_vectorizer import FittedVectorizer
from xcgraph.text.tokenizers import TOKEN_PATTERN, Tokenizer, WordTokenizer


@dataclass(frozen=True)
class VectorizedTexts:
    """Token weights of all texts of a data set. Rows have unit L2 norm; rows without known tokens are empty.

    Attributes:
        train: (train points, tokens) float32.
        test: (test points, tokens) float32.
        labels: (labels, tokens) float32.
        vocabulary: one lower-case token per column, sorted.
        vectorizer: transforms new texts to such rows, or None if this is not supported.
    """

    train: csr_array
    test: csr_array
    labels: csr_array
    vocabulary: tuple[str, ...]
    vectorizer: FittedVectorizer | None = None


@runtime_checkable
class Vectorizer(Protocol):
    """Turns the texts of a data set into token weights; implementations differ in their tokens."""

    def fit_transform(
        self, train_texts: Iterable[str], test_texts: Iterable[str], *, label_texts: Iterable[str]
    ) -> VectorizedTexts:
        """Fit vocabulary and weights on training and label texts, and transform all texts.

        Args:
            train_texts: one text per training point. Some implementations iterate several times.
            test_texts: one text per test point. They affect neither the vocabulary nor the weights.
            label_texts: one text per label.

        Raises:
            UserError: no token remains.
        """


@dataclass(frozen=True, kw_only=True)
class WordVectorizer:
    """TF-IDF over whole lower-case words.

    :class:`~xcgraph.text.wordpiece.WordPieceVectorizer` splits rare words into pieces,
    :class:`~xcgraph.text.subwords.SubwordVectorizer` adds character n-grams of all words.

    Attributes:
        min_df: minimum number of training and label texts in which a word must occur.

    Raises:
        UserError: ``min_df`` is below 1.
    """

    min_df: int = 2

    def __post_init__(self) -> None:
        check_min_df(self.min_df)

    def fit_transform(
        self, train_texts: Iterable[str], test_texts: Iterable[str], *, label_texts: Iterable[str]
    ) -> VectorizedTexts:
        """Return TF-IDF rows; see :class:`Vectorizer`."""
        vectorizer = TfidfVectorizer(token_pattern=TOKEN_PATTERN, min_df=self.min_df, dtype=np.float32)
        return fit_tfidf(vectorizer, train_texts, test_texts, label_texts)


def check_min_df(min_df: int) -> None:
    """Check that the minimum number of texts is at least 1.

    Raises:
        UserError: it is below 1.
    """
    if min_df < 1:
        raise UserError(f"text.min_df must be ≥ 1, got {min_df}; raise it.")


def fit_tfidf(
    vectorizer: TfidfVectorizer,
    train_texts: Iterable[object],
    test_texts: Iterable[object],
    label_texts: Iterable[object],
    tokenizer: Tokenizer = WordTokenizer(),  # noqa: B008 - frozen
) -> VectorizedTexts:
    """Fit scikit-learn's TF-IDF on training and label texts, and transform all texts.

    Args:
        vectorizer: scikit-learn's vectorizer, which determines the type of a text: a string or tokens.
        train_texts: one text per training point.
        test_texts: one text per test point.
        label_texts: one text per label.
        tokenizer: splits new strings into the same tokens.

    Raises:
        UserError: no token occurs in ``min_df`` texts.
    """
    num_train = 0

    def counted() -> Iterator[object]:
        nonlocal num_train
        for text in train_texts:
            num_train += 1
            yield text

    try:
        fitted = _sorted_csr(vectorizer.fit_transform(itertools.chain(counted(), label_texts)))
    except ValueError as error:  # scikit-learn raises it if no token remains
        raise UserError(
            f"text.min_df: expected tokens that occur in at least min_df={vectorizer.min_df} of the training "
            "and label texts, found none; lower text.min_df or check the texts."
        ) from error
    vocabulary = tuple(map(str, vectorizer.get_feature_names_out()))
    return VectorizedTexts(
        train=fitted[:num_train],
        test=_transform(vectorizer, test_texts, fitted.shape[1]),
        labels=fitted[num_train:],
        vocabulary=vocabulary,
        vectorizer=FittedVectorizer(vocabulary, vectorizer.idf_.astype(np.float32), tokenizer),
    )


def _transform(vectorizer: TfidfVectorizer, texts: Iterable[object], num_tokens: int) -> csr_array:
    remaining = iter(texts)
    first = next(remaining, None)
    if first is None:  # scikit-learn refuses an empty input
        return csr_array((0, num_tokens), dtype=np.float32)
    return _sorted_csr(vectorizer.transform(itertools.chain([first], remaining)))


def _sorted_csr(matrix: csr_array | csr_matrix) -> csr_array:
    """Return scikit-learn's matrix, whose class depends on the version, as an array with sorted indices."""
    array: csr_array = csr_array(matrix)
    array.sort_indices()
    return array
