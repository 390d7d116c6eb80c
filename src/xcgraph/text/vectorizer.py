"""Texts to token weights: TF-IDF over one vocabulary that points and labels share."""

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
    """Token weights of a data set's texts; rows have unit L2 norm, or are empty without a known token.

    Attributes:
        train: (train points, tokens) float32.
        test: (test points, tokens) float32.
        labels: (labels, tokens) float32.
        vocabulary: one lower-case token per column, sorted.
        vectorizer: turns further texts into such rows; None where nothing here can.
    """

    train: csr_array
    test: csr_array
    labels: csr_array
    vocabulary: tuple[str, ...]
    vectorizer: FittedVectorizer | None = None


@runtime_checkable
class Vectorizer(Protocol):
    """A way to turn texts into token weights: words, pieces of words, or words and their parts."""

    def fit_transform(
        self, train_texts: Iterable[str], test_texts: Iterable[str], *, label_texts: Iterable[str]
    ) -> VectorizedTexts:
        """Weigh tokens by TF-IDF; test texts shape neither the vocabulary nor the weights.

        Args:
            train_texts: one text per training point. Texts may be gone through several times.
            test_texts: one text per test point.
            label_texts: one text per label.

        Raises:
            UserError: no token is left.
        """


@dataclass(frozen=True, kw_only=True)
class WordVectorizer:
    """Lower-case words and nothing of what they are made of.

    :class:`~xcgraph.text.wordpiece.WordPieceVectorizer` cuts rare words into pieces,
    :class:`~xcgraph.text.subwords.SubwordVectorizer` adds parts of all.

    Attributes:
        min_df: least number of training and label texts that a word must occur in.
    """

    min_df: int = 2

    def __post_init__(self) -> None:
        check_min_df(self.min_df)

    def fit_transform(
        self, train_texts: Iterable[str], test_texts: Iterable[str], *, label_texts: Iterable[str]
    ) -> VectorizedTexts:
        """Weigh words by TF-IDF; see :class:`Vectorizer`."""
        vectorizer = TfidfVectorizer(token_pattern=TOKEN_PATTERN, min_df=self.min_df, dtype=np.float32)
        return fit_tfidf(vectorizer, train_texts, test_texts, label_texts)


def check_min_df(min_df: int) -> None:
    """Refuse a least number of texts that is not positive."""
    if min_df < 1:
        raise UserError(f"text.min_df must be ≥ 1, got {min_df}.")


def fit_tfidf(
    vectorizer: TfidfVectorizer,
    train_texts: Iterable[object],
    test_texts: Iterable[object],
    label_texts: Iterable[object],
    tokenizer: Tokenizer = WordTokenizer(),  # noqa: B008 - frozen
) -> VectorizedTexts:
    """Fit scikit-learn's TF-IDF on training and label texts, whatever its analyzer takes for a text.

    ``tokenizer`` is what cuts further texts as these were.

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
    except ValueError as error:  # scikit-learn's way to say that no token is left
        raise UserError(
            f"Expected tokens that occur in at least min_df={vectorizer.min_df} of the training and label "
            "texts, found none; lower text.min_df or check the texts."
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
    if first is None:  # scikit-learn refuses to transform nothing
        return csr_array((0, num_tokens), dtype=np.float32)
    return _sorted_csr(vectorizer.transform(itertools.chain([first], remaining)))


def _sorted_csr(matrix: csr_array | csr_matrix) -> csr_array:
    """Give scikit-learn's matrix, whose class depends on the version, as an array with sorted indices."""
    array: csr_array = csr_array(matrix)
    array.sort_indices()
    return array
