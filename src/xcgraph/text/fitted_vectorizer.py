"""From further texts to token weights, by the vocabulary and weights that a data set's own texts have set."""

import functools
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from xcgraph.storage.artifacts import save_arrays
from xcgraph.storage.npz import load_arrays
from xcgraph.text.tokenizers import Tokenizer, WordTokenizer, load_tokenizer

_IDF = "idf.npz"


@dataclass(frozen=True)
class FittedVectorizer:
    """Weighs the tokens of a text as those of the training texts were: TF-IDF at unit L2 norm.

    Attributes:
        vocabulary: one token per column.
        idf: (tokens,) float32 inverse document frequencies.
        tokenizer: cuts texts into tokens.

    Raises:
        ValueError: numbers of tokens and weights differ.
    """

    vocabulary: tuple[str, ...]
    idf: NDArray[np.float32]
    tokenizer: Tokenizer = field(default_factory=WordTokenizer)

    def __post_init__(self) -> None:
        if self.idf.shape != (len(self.vocabulary),):
            raise ValueError(f"Expected {len(self.vocabulary)} weights of tokens, got {self.idf.shape}.")
        if self.idf.dtype.kind != "f" or not np.isfinite(self.idf).all() or (self.idf <= 0).any():
            raise ValueError("Expected positive weights of tokens, got others.")

    def transform(self, texts: Sequence[str]) -> csr_array:
        """Return (texts, tokens) float32 rows with sorted indices; a text without a known token has none."""
        columns = self._columns
        known = [
            [columns[token] for token in cut if token in columns] for cut in self.tokenizer.tokenize(texts)
        ]
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
        self.tokenizer.save(folder)

    @classmethod
    def load(cls, folder: Path, vocabulary: tuple[str, ...]) -> "FittedVectorizer | None":
        """Read what :meth:`save` wrote; None where nothing was saved.

        Raises:
            ValueError: it is damaged.
        """
        if not (folder / _IDF).exists():
            return None
        return cls(vocabulary, load_arrays(folder / _IDF)["idf"], load_tokenizer(folder))

    @functools.cached_property
    def _columns(self) -> dict[str, int]:
        return {token: column for column, token in enumerate(self.vocabulary)}
