"""Texts to token weights over pieces of words, so that rare words share what they have in common."""

import importlib.util
import itertools
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer

from xcgraph.errors import UserError
from xcgraph.text.tokenizers import WordPieceTokenizer
from xcgraph.text.vectorizer import VectorizedTexts, check_min_df, fit_tfidf

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_UNKNOWN = "[UNK]"
_CONTINUED = "##"  # a piece that goes on with a word
# Rarer characters are unknown: every character costs two entries of the vocabulary.
_MAX_CHARACTERS = 1000
_BATCH = 10_000


@dataclass(frozen=True, kw_only=True)
class WordPieceVectorizer:
    """WordPiece tokens, learned from the training and label texts; :class:`WordTokens` keeps words whole.

    Lower-case, without accents, punctuation apart. The published ECLARE and DECAF features are TF-IDF over
    such tokens, with vocabularies of 40,000 to 128,000.

    Attributes:
        vocabulary_size: largest number of tokens before ``min_df`` is applied.
        min_df: least number of training and label texts that a token must occur in.

    Raises:
        UserError: a value out of range, or the package tokenizers is missing.
    """

    vocabulary_size: int = 40_000
    min_df: int = 2

    def __post_init__(self) -> None:
        check_min_df(self.min_df)
        if self.vocabulary_size < 1:
            raise UserError(f"text.vocabulary_size must be ≥ 1, got {self.vocabulary_size}.")
        if importlib.util.find_spec("tokenizers") is None:
            raise UserError(
                "WordPiece needs the package tokenizers, which is not installed: "
                "pip install 'xcgraph[tokenizers]', or take text=words."
            )

    def fit_transform(
        self, train_texts: Iterable[str], test_texts: Iterable[str], *, label_texts: Iterable[str]
    ) -> VectorizedTexts:
        """Learn the pieces and weigh them by TF-IDF; see :class:`~xcgraph.text.vectorizer.Vectorizer`."""
        tokenizer = _learn_pieces(_Chained(train_texts, label_texts), self.vocabulary_size)
        vectorizer = TfidfVectorizer(analyzer=list, min_df=self.min_df, dtype=np.float32)
        train, test, labels = (_cut(tokenizer, texts) for texts in (train_texts, test_texts, label_texts))
        return fit_tfidf(vectorizer, train, test, labels, tokenizer=WordPieceTokenizer(tokenizer.to_str()))


def _learn_pieces(texts: "_Chained", vocabulary_size: int) -> "Tokenizer":
    """Learn a vocabulary; equal texts give an equal one."""
    from tokenizers import Tokenizer, models, trainers

    learner = _frame(Tokenizer(models.WordPiece(unk_token=_UNKNOWN)))
    characters = _frequent_characters(learner, texts)
    # The trainer numbers unnamed characters in the order of a hash table, which differs from run to run, and
    # breaks ties between pairs by these numbers: so all characters are named beforehand.
    named = [_UNKNOWN, *characters, *(f"{_CONTINUED}{character}" for character in characters)]
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocabulary_size,
        special_tokens=named,
        initial_alphabet=characters,
        limit_alphabet=len(characters),
        continuing_subword_prefix=_CONTINUED,
        show_progress=False,
    )
    learner.train_from_iterator(texts, trainer)
    # A fresh one, in which the named characters are not special.
    return _frame(Tokenizer(models.WordPiece(learner.get_vocab(), unk_token=_UNKNOWN)))


def _frame(tokenizer: "Tokenizer") -> "Tokenizer":
    """Have texts cleaned and cut into words and marks before they are cut into pieces."""
    from tokenizers import normalizers, pre_tokenizers

    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer


def _frequent_characters(tokenizer: "Tokenizer", texts: Iterable[str]) -> list[str]:
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(tokenizer.normalizer.normalize_str(text))
    by_frequency = sorted((-count, character) for character, count in counts.items() if character != " ")
    return sorted(character for _, character in by_frequency[:_MAX_CHARACTERS])


def _cut(tokenizer: "Tokenizer", texts: Iterable[str]) -> Iterator[list[str]]:
    """Cut texts into known tokens, many at a time."""
    tokens = {number: token for token, number in tokenizer.get_vocab().items() if token != _UNKNOWN}
    remaining = iter(texts)
    while batch := list(itertools.islice(remaining, _BATCH)):
        for encoding in tokenizer.encode_batch_fast(batch, add_special_tokens=False):
            yield [tokens[number] for number in encoding.ids if number in tokens]


@dataclass(frozen=True)
class _Chained:
    """Training and label texts one after the other, as often as they are asked for."""

    train_texts: Iterable[str]
    label_texts: Iterable[str]

    def __iter__(self) -> Iterator[str]:
        yield from self.train_texts
        yield from self.label_texts
