"""Ways to cut a text into tokens, which a model carries along so that further texts are cut alike."""

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

# One-letter words count too, unlike scikit-learn's default: "x ray", "vitamin C".
TOKEN_PATTERN = r"\w+"

LONGEST = 20

_WORDS = re.compile(TOKEN_PATTERN)
_PIECES, _GRAMS = "tokenizer.json", "grams.json"


@runtime_checkable
class Tokenizer(Protocol):
    """Cuts texts into tokens."""

    def tokenize(self, texts: Iterable[str]) -> Iterator[list[str]]:
        """Give the tokens of each text, in reading order."""

    def save(self, folder: Path) -> None:
        """Write into a folder what :func:`load_tokenizer` needs."""


@dataclass(frozen=True)
class WordTokenizer:
    """Lower-case words."""

    def tokenize(self, texts: Iterable[str]) -> Iterator[list[str]]:
        """Give the tokens of each text, in reading order."""
        return (_WORDS.findall(text.lower()) for text in texts)

    def save(self, folder: Path) -> None:
        """Write nothing: no file means words."""


@dataclass(frozen=True)
class NgramTokenizer:
    """Lower-case words, and every run of so many characters in them, as ``#appl`` in "apple".

    The beginning and the end of a word count as characters: ``#<app`` and ``#ple>``. A word that is no
    longer than the shortest run has none.

    Attributes:
        shortest: least number of characters in a run.
        longest: greatest, at most 20: of a text that is one word, there are as many runs of each length as
            characters.

    Raises:
        ValueError: there is no such run.
    """

    shortest: int
    longest: int

    def __post_init__(self) -> None:
        if not 1 <= self.shortest <= self.longest <= LONGEST:
            found = f"{self.shortest} and {self.longest}"
            raise ValueError(f"Expected 1 ≤ shortest ≤ longest ≤ {LONGEST}, got {found}.")

    def tokenize(self, texts: Iterable[str]) -> Iterator[list[str]]:
        """Give the tokens of each text, in reading order."""
        known: dict[str, list[str]] = {}
        for text in texts:
            tokens: list[str] = []
            for word in _WORDS.findall(text.lower()):
                if word not in known:
                    known[word] = [word, *self._grams(f"<{word}>")]
                tokens += known[word]
            yield tokens

    def save(self, folder: Path) -> None:
        """Write the lengths of runs."""
        write_atomically(folder / _GRAMS, json.dumps([self.shortest, self.longest]))

    def _grams(self, marked: str) -> Iterator[str]:
        for size in range(self.shortest, min(self.longest, len(marked) - 1) + 1):
            for start in range(len(marked) - size + 1):
                yield f"#{marked[start : start + size]}"


@dataclass(frozen=True)
class WordPieceTokenizer:
    """Pieces of words.

    Attributes:
        definition: the tokenizer, as the package ``tokenizers`` writes it in JSON.

    Raises:
        ValueError: it is none that this project writes.
        UserError: it cannot be made, or the package is missing; when first used.
    """

    definition: str

    def __post_init__(self) -> None:
        WordPieceFile.model_validate_json(self.definition)

    def tokenize(self, texts: Iterable[str]) -> Iterator[list[str]]:
        """Give the tokens of each text, in reading order; what the tokenizer does not know is among them."""
        tokens = self._tokens
        for encoding in self._loaded.encode_batch_fast(list(texts), add_special_tokens=False):
            yield [tokens[number] for number in encoding.ids]  # this call leaves encoding.tokens empty

    def save(self, folder: Path) -> None:
        """Write the tokenizer."""
        write_atomically(folder / _PIECES, self.definition)

    @functools.cached_property
    def _tokens(self) -> dict[int, str]:
        return {number: token for token, number in self._loaded.get_vocab().items()}

    @functools.cached_property
    def _loaded(self) -> "HfTokenizer":
        if importlib.util.find_spec("tokenizers") is None:
            raise UserError(
                "This model cuts words into pieces, which needs the package tokenizers: "
                "pip install 'xcgraph[tokenizers]'."
            )
        from tokenizers import Tokenizer as HfTokenizer

        try:
            return HfTokenizer.from_str(self.definition)
        except Exception as error:  # the package raises nothing more specific
            raise UserError(
                f"{_PIECES}: expected a tokenizer, found what is none ({error}); export the model again."
            ) from error


def load_tokenizer(folder: Path) -> Tokenizer:
    """Read what a tokenizer has saved.

    Raises:
        ValueError: it is damaged.
    """
    pieces, grams = folder / _PIECES, folder / _GRAMS
    if pieces.exists():
        return WordPieceTokenizer(json.dumps(read_json(pieces)))
    if not grams.exists():
        return WordTokenizer()
    sizes = read_json(grams)
    if not isinstance(sizes, list) or len(sizes) != 2 or not all(type(size) is int for size in sizes):
        raise ValueError(f"{_GRAMS}: expected two numbers, found {sizes}")
    return NgramTokenizer(*sizes)
