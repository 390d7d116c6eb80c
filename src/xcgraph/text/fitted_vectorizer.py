"""Vectorizes new texts with the vocabulary and IDF weights that were fitted on a data set."""

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
    """Transforms new texts to TF-IDF rows of unit L2 norm, as the vectorizer did with the training texts.

    Attributes:
        vocabulary: one token per column.
        idf: (tokens,) float32 inverse document frequencies.
        tokenizer: splits texts into tokens.

    Raises:
        ValueError: the number of weights differs from the number of tokens, or a weight is not positive.
    """

    vocabulary: tuple[str, ...]
    idf: NDArray[np.float32]
    tokenizer: Tokenizer = field(default_factory=WordTokenizer)

    def __post_init__(self) -> None:
        if self.idf.shape != (len(self.vocabulary),):
            raise ValueError(f"idf: expected shape ({len(self.vocabulary)},), got {self.idf.shape}.")
        if self.idf.dtype.kind != "f" or not np.isfinite(self.idf).all() or (self.idf <= 0).any():
            raise ValueError("idf: expected positive finite numbers, found other values.")

    def transform(self, texts: Sequence[str]) -> csr_array:
        """Return (texts, tokens) float32 rows with sorted indices; a text without known tokens is empty."""
        columns = self._columns
        known = [
            [columns[token] for token in tokens if token in columns]
            for tokens in self.tokenizer.tokenize(texts)
        ]
        found = np.fromiter(itertools.chain.from_iterable(known), np.int64)
        lengths = np.fromiter(map(len, known), np.int64, count=len(texts))
        width = len(self.vocabulary)
        entries = np.repeat(np.arange(len(texts)) * width, lengths) + found
        distinct, counts = np.unique(entries, return_counts=True)
        rows, token_ids = np.divmod(distinct, width)
        weights = counts.astype(np.float32) * self.idf[token_ids]
        squares = np.bincount(rows, (weights * weights).astype(np.float64), minlength=len(texts))
        weights = (weights / np.sqrt(squares)[rows]).astype(np.float32)
        indptr = np.searchsorted(rows, np.arange(len(texts) + 1))
        return csr_array((weights, token_ids, indptr), shape=(len(texts), width))

    def save(self, folder: Path) -> None:
        """Write the weights and the tokenizer to a folder; the caller stores the vocabulary."""
        save_arrays(folder / _IDF, idf=self.idf)
        self.tokenizer.save(folder)

    @classmethod
    def load(cls, folder: Path, vocabulary: tuple[str, ...]) -> "FittedVectorizer | None":
        """Read the files that :meth:`save` wrote, or return None if they are missing.

        Raises:
            ValueError: a file is damaged.
        """
        if not (folder / _IDF).exists():
            return None
        return cls(vocabulary, load_arrays(folder / _IDF)["idf"], load_tokenizer(folder))

    @functools.cached_property
    def _columns(self) -> dict[str, int]:
        return {token: column for column, token in enumerate(self.vocabulary)}
