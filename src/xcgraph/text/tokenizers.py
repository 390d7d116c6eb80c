"""Tokenizers, which are saved with a model so that new texts are tokenized like the training texts."""

import functools
import importlib.util
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from xcgraph.errors import UserError
from xcgraph.storage.artifacts import write_atomically
from xcgraph.storage.safe_files import read_json
from xcgraph.text.wordpiece_file import WordPieceFile

if TYPE_CHECKING:
    from tokenizers import Tokenizer as HfTokenizer

# Unlike scikit-learn's default, one-letter words are tokens, as in "x ray" and "vitamin C".
TOKEN_PATTERN = r"\w+"

# Maximum length of an n-gram, because a long word has about as many n-grams of each length as characters.
LONGEST = 20

_WORDS = re.compile(TOKEN_PATTERN)
_PIECES, _GRAMS = "tokenizer.json", "grams.json"


@runtime_checkable
class Tokenizer(Protocol):
    """Splits texts into tokens."""

    def tokenize(self, texts: Iterable[str]) -> Iterator[list[str]]:
        """Yield the tokens of each text, in reading order."""

    def save(self, folder: Path) -> None:
        """Write the files to a folder that :func:`load_tokenizer` reads."""


@dataclass(frozen=True)
class WordTokenizer:
    """Splits texts into lower-case words."""

    def tokenize(self, texts: Iterable[str]) -> Iterator[list[str]]:
        """Yield the tokens of each text, in reading order."""
        return (_WORDS.findall(text.lower()) for text in texts)

    def save(self, folder: Path) -> None:
        """Write no file, which :func:`load_tokenizer` reads as words."""


@dataclass(frozen=True)
class NgramTokenizer:
    """Splits texts into lower-case words and their character n-grams, such as ``#appl`` in "apple".

    The start and the end of a word count as characters, as in ``#<app`` and ``#ple>``. The whole word with
    its start and end is no n-gram, so short words have few n-grams or no n-grams.

    Attributes:
        shortest: minimum length of an n-gram, at least 1.
        longest: maximum length of an n-gram, at most 20.

    Raises:
        ValueError: a length is out of range.
    """

    shortest: int
    longest: int

    def __post_init__(self) -> None:
        if not 1 <= self.shortest <= self.longest <= LONGEST:
            found = f"{self.shortest} and {self.longest}"
            raise ValueError(f"Expected 1 ≤ shortest ≤ longest ≤ {LONGEST}, got {found}.")

    def tokenize(self, texts: Iterable[str]) -> Iterator[list[str]]:
        """Yield the tokens of each text, each word followed by its n-grams."""
        known: dict[str, list[str]] = {}
        for text in texts:
            tokens: list[str] = []
            for word in _WORDS.findall(text.lower()):
                if word not in known:
                    known[word] = [word, *self._grams(f"<{word}>")]
                tokens += known[word]
            yield tokens

    def save(self, folder: Path) -> None:
        """Write the minimum and maximum length of an n-gram."""
        write_atomically(folder / _GRAMS, json.dumps([self.shortest, self.longest]))

    def _grams(self, marked: str) -> Iterator[str]:
        for size in range(self.shortest, min(self.longest, len(marked) - 1) + 1):
            for start in range(len(marked) - size + 1):
                yield f"#{marked[start : start + size]}"


@dataclass(frozen=True)
class WordPieceTokenizer:
    """Splits texts into pieces of words.

    Attributes:
        definition: the tokenizer as JSON of the package ``tokenizers``.

    Raises:
        ValueError: the definition is not of the kind that this project writes.
        UserError: at the first use, if the package is not installed or cannot load the definition.
    """

    definition: str

    def __post_init__(self) -> None:
        WordPieceFile.model_validate_json(self.definition)

    def tokenize(self, texts: Iterable[str]) -> Iterator[list[str]]:
        """Yield the tokens of each text, in reading order, including the token for unknown pieces."""
        tokens = self._tokens
        for encoding in self._loaded.encode_batch_fast(list(texts), add_special_tokens=False):
            yield [tokens[number] for number in encoding.ids]  # the fast call leaves encoding.tokens empty

    def save(self, folder: Path) -> None:
        """Write the definition."""
        write_atomically(folder / _PIECES, self.definition)

    @functools.cached_property
    def _tokens(self) -> dict[int, str]:
        return {number: token for token, number in self._loaded.get_vocab().items()}

    @functools.cached_property
    def _loaded(self) -> "HfTokenizer":
        if importlib.util.find_spec("tokenizers") is None:
            raise UserError(
                "This model splits words into pieces and needs the package tokenizers, which is not "
                "installed; run pip install 'xcgraph[tokenizers]'."
            )
        from tokenizers import Tokenizer as HfTokenizer

        try:
            return HfTokenizer.from_str(self.definition)
        except Exception as error:  # the package raises nothing more specific
            raise UserError(
                f"{_PIECES}: expected a tokenizer, found an invalid definition ({error}); export the model "
                "again."
            ) from error


def load_tokenizer(folder: Path) -> Tokenizer:
    """Return the tokenizer that was saved in a folder.

    Raises:
        ValueError: a file is damaged.
    """
    pieces, grams = folder / _PIECES, folder / _GRAMS
    if pieces.exists():
        return WordPieceTokenizer(json.dumps(read_json(pieces)))
    if not grams.exists():
        return WordTokenizer()
    sizes = read_json(grams)
    if not isinstance(sizes, list) or len(sizes) != 2 or not all(type(size) is int for size in sizes):
        raise ValueError(f"{_GRAMS}: expected two integers, found {sizes}")
    return NgramTokenizer(*sizes)
