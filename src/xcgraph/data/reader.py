"""From further texts to token weights, by the vocabulary and weights that a data set's own texts have set."""

import functools
import importlib.util
import itertools
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from xcgraph.artifacts import save_arrays, write_atomically
from xcgraph.data.pieces import Pieces
from xcgraph.errors import UserError
from xcgraph.files import read_json
from xcgraph.npz import load_arrays

if TYPE_CHECKING:
    from tokenizers import Tokenizer

# One-letter words count too, unlike scikit-learn's default: "x ray", "vitamin C".
TOKEN_PATTERN = r"\w+"

_WORDS = re.compile(TOKEN_PATTERN)
_IDF, _PIECES = "idf.npz", "tokenizer.json"


@dataclass(frozen=True)
class TextReader:
    """Weighs the tokens of a text as those of the training texts were: TF-IDF at unit L2 norm.

    Attributes:
        vocabulary: one token per column.
        idf: (tokens,) float32 inverse document frequencies.
        pieces: the tokenizer that cuts words into pieces, as ``tokenizers`` writes it in JSON; None for
            lower-case words.

    Raises:
        UserError: the tokenizer cannot be made, or the package tokenizers is missing.
        ValueError: numbers of tokens and weights differ.
    """

    vocabulary: tuple[str, ...]
    idf: NDArray[np.float32]
    pieces: str | None = None

    def __post_init__(self) -> None:
        if self.idf.shape != (len(self.vocabulary),):
            raise ValueError(f"Expected {len(self.vocabulary)} weights of tokens, got {self.idf.shape}.")
        if self.idf.dtype.kind != "f" or not np.isfinite(self.idf).all() or (self.idf <= 0).any():
            raise ValueError("Expected positive weights of tokens, got others.")
        if self.pieces is not None:
            Pieces.model_validate_json(self.pieces)

    def read(self, texts: Sequence[str]) -> csr_array:
        """Return (texts, tokens) float32 rows with sorted indices; a text without a known token has none."""
        known = list(self._known(texts))
        found = np.fromiter(itertools.chain.from_iterable(known), np.int64)
        lengths = np.fromiter(map(len, known), np.int64, count=len(texts))
        width = len(self.vocabulary)
        entries = np.repeat(np.arange(len(texts)) * width, lengths) + found
        distinct, counts = np.unique(entries, return_counts=True)
        rows, tokens = np.divmod(distinct, width)
        weights = counts.astype(np.float32) * self.idf[tokens]
        squares = np.bincount(rows, (weights * weights).astype(np.float64), minlength=len(texts))
        weights = (weights / np.sqrt(squares)[rows]).astype(np.float32)
        indptr = np.searchsorted(rows, np.arange(len(texts) + 1))
        return csr_array((weights, tokens, indptr), shape=(len(texts), width))

    def save(self, folder: Path) -> None:
        """Write weights and tokenizer into a folder; the vocabulary is the caller's."""
        save_arrays(folder / _IDF, idf=self.idf)
        if self.pieces is not None:
            write_atomically(folder / _PIECES, self.pieces)

    @classmethod
    def load(cls, folder: Path, vocabulary: tuple[str, ...]) -> "TextReader | None":
        """Read what :meth:`save` wrote; None where nothing was saved."""
        if not (folder / _IDF).exists():
            return None
        pieces = folder / _PIECES
        return cls(
            vocabulary,
            load_arrays(folder / _IDF)["idf"],
            json.dumps(read_json(pieces)) if pieces.exists() else None,
        )

    @functools.cached_property
    def _columns(self) -> dict[str, int]:
        return {token: column for column, token in enumerate(self.vocabulary)}

    @functools.cached_property
    def _tokenizer(self) -> "Tokenizer":
        if importlib.util.find_spec("tokenizers") is None:
            raise UserError(
                "This model cuts words into pieces, which needs the package tokenizers: "
                "pip install 'xcgraph[tokenizers]'."
            )
        from tokenizers import Tokenizer

        try:
            return Tokenizer.from_str(self.pieces or "")
        except Exception as error:  # the package raises nothing more specific
            raise UserError(
                f"{_PIECES}: expected a tokenizer, found what is none ({error}); export the model again."
            ) from error

    @functools.cached_property
    def _columns_of_pieces(self) -> dict[int, int]:
        numbers = self._tokenizer.get_vocab()
        return {numbers[token]: column for token, column in self._columns.items() if token in numbers}

    def _known(self, texts: Sequence[str]) -> Iterator[list[int]]:
        """Give the columns of each text's known tokens, in reading order."""
        if self.pieces is None:
            columns = self._columns
            for text in texts:
                yield [columns[word] for word in _WORDS.findall(text.lower()) if word in columns]
        else:
            known = self._columns_of_pieces
            for encoding in self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False):
                yield [known[number] for number in encoding.ids if number in known]
