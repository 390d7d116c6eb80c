"""Vectorizes texts over pieces of words, so that rare words share tokens with other words."""

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
_CONTINUED = "##"  # prefix of a piece that does not start a word
# Only the most frequent characters are known, because each one takes two entries of the vocabulary.
_MAX_CHARACTERS = 1000
_BATCH = 10_000


@dataclass(frozen=True, kw_only=True)
class WordPieceVectorizer:
    """TF-IDF over WordPiece tokens, which are learned from the training and label texts.

    Texts become lower-case and lose their accents, and each punctuation mark is a token. The published
    ECLARE and DECAF features are TF-IDF over such tokens, with vocabularies of 40,000 to 128,000.
    :class:`~xcgraph.text.vectorizer.WordVectorizer` keeps words whole.

    Attributes:
        vocabulary_size: maximum number of tokens before ``min_df`` is applied.
        min_df: minimum number of training and label texts in which a token must occur.

    Raises:
        UserError: a value is out of range, or the package tokenizers is not installed.
    """

    vocabulary_size: int = 40_000
    min_df: int = 2

    def __post_init__(self) -> None:
        check_min_df(self.min_df)
        if self.vocabulary_size < 1:
            raise UserError(f"text.vocabulary_size must be ≥ 1, got {self.vocabulary_size}; raise it.")
        if importlib.util.find_spec("tokenizers") is None:
            raise UserError(
                "WordPiece needs the package tokenizers, which is not installed; "
                "run pip install 'xcgraph[tokenizers]', or use text=words."
            )

    def fit_transform(
        self, train_texts: Iterable[str], test_texts: Iterable[str], *, label_texts: Iterable[str]
    ) -> VectorizedTexts:
        """Learn the pieces and return TF-IDF rows; see :class:`~xcgraph.text.vectorizer.Vectorizer`."""
        tokenizer = _learn_pieces(_Chained(train_texts, label_texts), self.vocabulary_size)
        vectorizer = TfidfVectorizer(analyzer=list, min_df=self.min_df, dtype=np.float32)
        train, test, labels = (
            _tokenize(tokenizer, texts) for texts in (train_texts, test_texts, label_texts)
        )
        return fit_tfidf(vectorizer, train, test, labels, tokenizer=WordPieceTokenizer(tokenizer.to_str()))


def _learn_pieces(texts: "_Chained", vocabulary_size: int) -> "Tokenizer":
    """Return a tokenizer with a learned vocabulary; equal texts give equal vocabularies."""
    from tokenizers import Tokenizer, models, trainers

    learner = _add_normalizer(Tokenizer(models.WordPiece(unk_token=_UNKNOWN)))
    characters = _frequent_characters(learner, texts)
    # The trainer breaks ties between pairs by the ids of characters. It assigns ids to unlisted characters in
    # the order of a hash table, which differs between runs. Listing all characters makes the ids fixed.
    listed = [_UNKNOWN, *characters, *(f"{_CONTINUED}{character}" for character in characters)]
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocabulary_size,
        special_tokens=listed,
        initial_alphabet=characters,
        limit_alphabet=len(characters),
        continuing_subword_prefix=_CONTINUED,
        show_progress=False,
    )
    learner.train_from_iterator(texts, trainer)
    # A new tokenizer, in which the listed characters are ordinary tokens.
    return _add_normalizer(Tokenizer(models.WordPiece(learner.get_vocab(), unk_token=_UNKNOWN)))


def _add_normalizer(tokenizer: "Tokenizer") -> "Tokenizer":
    """Let a tokenizer clean texts and split them into words and punctuation before it makes pieces."""
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


def _tokenize(tokenizer: "Tokenizer", texts: Iterable[str]) -> Iterator[list[str]]:
    """Yield the known tokens of each text; texts are tokenized in large batches."""
    tokens = {number: token for token, number in tokenizer.get_vocab().items() if token != _UNKNOWN}
    remaining = iter(texts)
    while batch := list(itertools.islice(remaining, _BATCH)):
        for encoding in tokenizer.encode_batch_fast(batch, add_special_tokens=False):
            yield [tokens[number] for number in encoding.ids if number in tokens]


@dataclass(frozen=True)
class _Chained:
    """Training and label texts one after the other, for several iterations."""

    train_texts: Iterable[str]
    label_texts: Iterable[str]

    def __iter__(self) -> Iterator[str]:
        yield from self.train_texts
        yield from self.label_texts
