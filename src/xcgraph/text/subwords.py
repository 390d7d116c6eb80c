"""Texts to token weights over words and the parts of words, so that rare and unknown words say something."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer

from xcgraph.errors import UserError
from xcgraph.text.tokenizers import LONGEST, NgramTokenizer
from xcgraph.text.vectorizer import VectorizedTexts, check_min_df, fit_tfidf


@dataclass(frozen=True, kw_only=True)
class SubwordVectorizer:
    """Lower-case words and their runs of characters, as fastText has them, each a token with its own weight.

    "happiness" shares most of its runs with "happily", whose label may have no other training point; and a
    word that no training text has still has runs that some do.

    Attributes:
        shortest: least number of characters in a run; the ends of a word count as characters.
        longest: greatest.
        min_df: least number of training and label texts that a token must occur in.

    Raises:
        UserError: a value out of range.
    """

    shortest: int = 3
    longest: int = 5
    min_df: int = 2

    def __post_init__(self) -> None:
        check_min_df(self.min_df)
        if not 1 <= self.shortest <= self.longest <= LONGEST:
            raise UserError(
                f"text.shortest and text.longest: expected 1 ≤ shortest ≤ longest ≤ {LONGEST}, got "
                f"{self.shortest} and {self.longest}."
            )

    def fit_transform(
        self, train_texts: Iterable[str], test_texts: Iterable[str], *, label_texts: Iterable[str]
    ) -> VectorizedTexts:
        """Weigh tokens by TF-IDF; see :class:`~xcgraph.text.vectorizer.Vectorizer`."""
        tokenizer = NgramTokenizer(self.shortest, self.longest)
        vectorizer = TfidfVectorizer(analyzer=list, min_df=self.min_df, dtype=np.float32)
        train, test, labels = (tokenizer.tokenize(texts) for texts in (train_texts, test_texts, label_texts))
        return fit_tfidf(vectorizer, train, test, labels, tokenizer=tokenizer)
