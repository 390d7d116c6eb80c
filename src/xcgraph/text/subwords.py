"""Vectorizes texts over words and their character n-grams, so that unknown words carry information."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer

from xcgraph.errors import UserError
from xcgraph.text.tokenizers import LONGEST, NgramTokenizer
from xcgraph.text.vectorizer import VectorizedTexts, check_min_df, fit_tfidf


@dataclass(frozen=True, kw_only=True)
class SubwordVectorizer:
    """TF-IDF over lower-case words and their character n-grams, as in fastText.

    Related words share n-grams: "happiness" shares most of its n-grams with "happily". A word that is in no
    training text can still share n-grams with words that are.
    :class:`~xcgraph.text.vectorizer.WordVectorizer` uses whole words only,
    :class:`~xcgraph.text.wordpiece.WordPieceVectorizer` splits rare words into pieces.

    Attributes:
        shortest: minimum length of an n-gram; the start and the end of a word count as one character each.
        longest: maximum length of an n-gram.
        min_df: minimum number of training and label texts in which a token must occur.

    Raises:
        UserError: a value is out of range.
    """

    shortest: int = 3
    longest: int = 5
    min_df: int = 2

    def __post_init__(self) -> None:
        check_min_df(self.min_df)
        if not 1 <= self.shortest <= self.longest <= LONGEST:
            raise UserError(
                f"text.shortest and text.longest: expected 1 ≤ shortest ≤ longest ≤ {LONGEST}, got "
                f"{self.shortest} and {self.longest}; correct the lengths."
            )

    def fit_transform(
        self, train_texts: Iterable[str], test_texts: Iterable[str], *, label_texts: Iterable[str]
    ) -> VectorizedTexts:
        """Return TF-IDF rows; see :class:`~xcgraph.text.vectorizer.Vectorizer`."""
        tokenizer = NgramTokenizer(self.shortest, self.longest)
        vectorizer = TfidfVectorizer(analyzer=list, min_df=self.min_df, dtype=np.float32)
        train, test, labels = (tokenizer.tokenize(texts) for texts in (train_texts, test_texts, label_texts))
        return fit_tfidf(vectorizer, train, test, labels, tokenizer=tokenizer)
