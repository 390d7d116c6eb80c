"""An extreme-classification data set in memory: frozen, and checked once at construction."""

import functools
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from xcgraph.data.metadata import GraphMetadata
from xcgraph.errors import UserError
from xcgraph.text.fitted_vectorizer import FittedVectorizer

NO_PAIRS: NDArray[np.int64] = np.empty((0, 2), np.int64)
# Rows of an array that are hashed at a time: arrays may be memory-mapped and larger than memory.
_HASHED_ROWS = 1 << 20


@dataclass(frozen=True)
class PointTexts:
    """The texts of points, which an :class:`XCData` does not hold: it has the features made of them.

    Attributes:
        train: one text per training point.
        test: one text per test point.
    """

    train: Iterable[str]
    test: Iterable[str]


@dataclass(frozen=True)
class Split:
    """The points of one split.

    Attributes:
        features: (points, tokens) float32 token weights, such as TF-IDF.
        labels: (points, labels) float32, 1 where the point carries the label.
        filter_pairs: (pairs, 2) of (point row, label) that must not count as predictions, such as an
            item's own label (the repository's ``filter_labels_*.txt``).
    """

    features: csr_array
    labels: csr_array
    filter_pairs: NDArray[np.int64]

    def __post_init__(self) -> None:
        points, labels = self.labels.shape
        if self.features.shape[0] != points:
            raise UserError(f"A split has {self.features.shape[0]} rows of features but {points} of labels.")
        pairs = self.filter_pairs
        if pairs.ndim != 2 or pairs.shape[1] != 2:
            raise UserError(f"Filter pairs must have shape (pairs, 2), got {pairs.shape}.")
        outside = (pairs < 0) | (pairs >= np.array([[points, labels]]))
        if outside.any():
            point, label = pairs[outside.any(axis=1)][0]
            raise UserError(f"Filter pair ({point}, {label}) lies outside {points} points × {labels} labels.")

    def __len__(self) -> int:
        return int(self.features.shape[0])

    def take(self, rows: NDArray[np.int64]) -> "Split":
        """Select points by row number, in that order.

        Raises:
            ValueError: a row is named twice.
        """
        new_row = np.full(len(self), -1, np.int64)
        new_row[rows] = np.arange(len(rows))
        twice = rows[new_row[rows] != np.arange(len(rows))]
        if len(twice):
            raise ValueError(f"Expected distinct rows, got {twice[0]} twice.")
        pairs = np.column_stack([new_row[self.filter_pairs[:, 0]], self.filter_pairs[:, 1]])
        return Split(self.features[rows], self.labels[rows], pairs[pairs[:, 0] >= 0])


@dataclass(frozen=True, kw_only=True)
class XCData:
    """A data set: two splits over one set of tokens and one set of labels.

    Attributes:
        name: the data set's name, as reports print it.
        train: all training points, validation points included.
        test: test points; read by the final evaluation only.
        label_features: (labels, tokens) float32 token weights of the labels' own texts.
        label_names: one text per label, or empty where the data set has none.
        label_ids: the user's own id of each label, or empty where labels are known by number alone.
        vocabulary: one text per token, or empty where the data set has none.
        vectorizer: turns texts into rows like those of the features; None where only features are known.
        metadata: by name, graphs that link points and labels to anchors; most data sets have none.
        propensity_a: A of the propensity model (Jain et al., KDD'16), a constant of the data set.
        propensity_b: B of the same model.
    """

    name: str
    train: Split
    test: Split
    label_features: csr_array
    label_names: tuple[str, ...] = ()
    label_ids: tuple[str, ...] = ()
    vocabulary: tuple[str, ...] = ()
    vectorizer: FittedVectorizer | None = None
    metadata: Mapping[str, GraphMetadata] = field(default_factory=dict)
    propensity_a: float = 0.55
    propensity_b: float = 1.5

    def __post_init__(self) -> None:
        labels, tokens = self.label_features.shape
        for part, split in (("train", self.train), ("test", self.test)):
            found = (split.labels.shape[1], split.features.shape[1])
            if found != (labels, tokens):
                raise UserError(
                    f"{self.name}: the {part} split has {found[0]} labels and {found[1]} tokens, "
                    f"but the label texts have {labels} labels and {tokens} tokens."
                )
        for what, names, count in (
            ("label names", self.label_names, labels),
            ("label ids", self.label_ids, labels),
            ("vocabulary entries", self.vocabulary, tokens),
        ):
            if names and len(names) != count:
                raise UserError(f"{self.name}: expected {count} {what}, found {len(names)}.")
        rows = {"train": len(self.train), "test": len(self.test), "labels": labels}
        for name, graph in self.metadata.items():
            for part, matrix in graph.parts():
                if matrix.shape[0] != rows[part]:
                    raise UserError(
                        f"{self.name}: expected {rows[part]} rows in the {part} part of the graph metadata "
                        f"{name}, found {matrix.shape[0]}; take the files that belong to these points."
                    )

    @property
    def num_labels(self) -> int:
        """The number of labels."""
        return int(self.label_features.shape[0])

    @property
    def num_tokens(self) -> int:
        """The size of the vocabulary that points and labels share."""
        return int(self.label_features.shape[1])

    @functools.cached_property
    def fingerprint(self) -> str:
        """Hash everything that training or evaluation reads: equal data, equal fingerprint."""
        texts = (self.name, self.propensity_a, self.propensity_b, self.label_names, self.vocabulary)
        digest = hashlib.sha256(json.dumps((*texts, *([self.label_ids] if self.label_ids else []))).encode())
        parts = (_split_arrays(self.train), _split_arrays(self.test), _csr_arrays(self.label_features))
        for array in chain(*parts):
            _hash_array(digest, array)
        for name, graph in sorted(self.metadata.items()):
            for part, matrix in graph.parts():
                digest.update(json.dumps([name, part]).encode())
                for array in _csr_arrays(matrix):
                    _hash_array(digest, array)
        return digest.hexdigest()[:16]

    @functools.cached_property
    def labels_fingerprint(self) -> str:
        """Hash what metrics are measured against: if equal, they compare, whatever the tokens are."""
        digest = hashlib.sha256(json.dumps(self.label_names).encode())
        for array in chain(_truth_arrays(self.train), _truth_arrays(self.test)):
            _hash_array(digest, array)
        return digest.hexdigest()[:16]


def _split_arrays(split: Split) -> Iterator[NDArray]:
    """Give what a split says, whatever the order of its entries and pairs."""
    yield from _csr_arrays(split.features)
    yield from _truth_arrays(split)


def _truth_arrays(split: Split) -> Iterator[NDArray]:
    yield from _csr_arrays(split.labels)
    yield split.filter_pairs[np.lexsort(split.filter_pairs.T[::-1])]


def _csr_arrays(matrix: csr_array) -> Iterator[NDArray]:
    ordered = matrix if matrix.has_sorted_indices else matrix.sorted_indices()
    yield np.array(ordered.shape)
    yield ordered.indptr
    yield ordered.indices
    yield ordered.data


def _hash_array(digest: "hashlib._Hash", array: NDArray) -> None:
    """Hash shape and content in blocks of rows, integers of any width alike."""
    digest.update(f"{array.shape}".encode())
    for start in range(0, len(array), _HASHED_ROWS):
        block = array[start : start + _HASHED_ROWS]
        wide = block.astype(np.int64, copy=False) if np.issubdtype(block.dtype, np.integer) else block
        digest.update(np.ascontiguousarray(wide).data)
