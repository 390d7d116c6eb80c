"""An extreme-classification data set in memory: immutable, and validated at construction."""

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
# Rows hashed per block, because a memory-mapped array can be larger than the memory.
_HASHED_ROWS = 1 << 20


@dataclass(frozen=True)
class PointTexts:
    """The texts of all points. An :class:`XCData` holds only the features made from them.

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
        labels: (points, labels) float32, 1 where the point has the label.
        filter_pairs: (pairs, 2) of (point row, label). Evaluation ignores these predictions, for example an
            item's own label (``filter_labels_*.txt`` in the repository).

    Raises:
        UserError: the parts have different numbers of points, or a filter pair is outside the matrix.
    """

    features: csr_array
    labels: csr_array
    filter_pairs: NDArray[np.int64]

    def __post_init__(self) -> None:
        points, labels = self.labels.shape
        if self.features.shape[0] != points:
            raise UserError(
                f"Split: expected as many rows of features as of labels, found {self.features.shape[0]} rows "
                f"of features and {points} of labels; use files that belong together."
            )
        pairs = self.filter_pairs
        if pairs.ndim != 2 or pairs.shape[1] != 2:
            raise UserError(f"Split: filter_pairs must have shape (pairs, 2), got {pairs.shape}.")
        outside = (pairs < 0) | (pairs >= np.array([[points, labels]]))
        if outside.any():
            point, label = pairs[outside.any(axis=1)][0]
            raise UserError(
                f"Split: filter pair ({point}, {label}) lies outside {points} points × {labels} labels; "
                "remove the pair, or use the filter file of these points."
            )

    def __len__(self) -> int:
        return int(self.features.shape[0])

    def take(self, rows: NDArray[np.int64]) -> "Split":
        """Return the points of these rows, in this order.

        Raises:
            ValueError: a row appears twice.
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
    """A data set: two splits that share tokens and labels.

    Attributes:
        name: name of the data set in reports.
        train: all training points, including the validation points.
        test: test points, for the final evaluation only.
        label_features: (labels, tokens) float32 token weights of the labels' texts.
        label_names: one text per label, or empty if the data set has no label texts.
        label_ids: the user's id of each label, or empty if labels have only numbers.
        vocabulary: one text per token, or empty if the tokens are unknown.
        vectorizer: transforms new texts to rows of features, or None if the data set has only features.
        held_out: rows of the training points to validate on; None leaves the choice to the run.
        metadata: graphs that link points and labels to anchors, by name; empty for most data sets.
        propensity_a: A of the propensity model (Jain et al., KDD'16), a constant of the data set.
        propensity_b: B of the same model.

    Raises:
        UserError: the shapes of the parts do not fit together.
    """

    name: str
    train: Split
    test: Split
    label_features: csr_array
    label_names: tuple[str, ...] = ()
    label_ids: tuple[str, ...] = ()
    vocabulary: tuple[str, ...] = ()
    vectorizer: FittedVectorizer | None = None
    held_out: NDArray[np.int64] | None = None
    metadata: Mapping[str, GraphMetadata] = field(default_factory=dict)
    propensity_a: float = 0.55
    propensity_b: float = 1.5

    def __post_init__(self) -> None:
        labels, tokens = self.label_features.shape
        for part, split in (("train", self.train), ("test", self.test)):
            found = (split.labels.shape[1], split.features.shape[1])
            if found != (labels, tokens):
                raise UserError(
                    f"{self.name}: the {part} split has {found[0]} labels and {found[1]} tokens, but the "
                    f"label texts have {labels} labels and {tokens} tokens; use files that belong together."
                )
        for kind, names, count in (
            ("label names", self.label_names, labels),
            ("label ids", self.label_ids, labels),
            ("vocabulary entries", self.vocabulary, tokens),
        ):
            if names and len(names) != count:
                raise UserError(
                    f"{self.name}: expected {count} {kind}, found {len(names)}; "
                    "use files that belong together."
                )
        rows = {"train": len(self.train), "test": len(self.test), "labels": labels}
        for name, graph in self.metadata.items():
            for part, matrix in graph.parts():
                if matrix.shape[0] != rows[part]:
                    raise UserError(
                        f"{self.name}: expected {rows[part]} rows in the {part} part of the graph metadata "
                        f"{name}, found {matrix.shape[0]}; use the files of these points and labels."
                    )

    @property
    def num_labels(self) -> int:
        """The number of labels."""
        return int(self.label_features.shape[0])

    @property
    def num_tokens(self) -> int:
        """The size of the vocabulary, which points and labels share."""
        return int(self.label_features.shape[1])

    @functools.cached_property
    def fingerprint(self) -> str:
        """Fingerprint of everything that training and evaluation read. Equal data have equal fingerprints."""
        texts = (self.name, self.propensity_a, self.propensity_b, self.label_names, self.vocabulary)
        digest = hashlib.sha256(json.dumps((*texts, *([self.label_ids] if self.label_ids else []))).encode())
        if self.held_out is not None:
            _hash_array(digest, self.held_out)
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
        """Fingerprint of the labels and filter pairs of all points, independent of the features.

        Runs with equal fingerprints can be compared even if their features differ.
        """
        digest = hashlib.sha256(json.dumps(self.label_names).encode())
        for array in chain(_label_arrays(self.train), _label_arrays(self.test)):
            _hash_array(digest, array)
        return digest.hexdigest()[:16]


def _split_arrays(split: Split) -> Iterator[NDArray]:
    """Yield the content of a split, independent of the order of its entries and pairs."""
    yield from _csr_arrays(split.features)
    yield from _label_arrays(split)


def _label_arrays(split: Split) -> Iterator[NDArray]:
    yield from _csr_arrays(split.labels)
    yield split.filter_pairs[np.lexsort(split.filter_pairs.T[::-1])]


def _csr_arrays(matrix: csr_array) -> Iterator[NDArray]:
    ordered = matrix if matrix.has_sorted_indices else matrix.sorted_indices()
    yield np.array(ordered.shape)
    yield ordered.indptr
    yield ordered.indices
    yield ordered.data


def _hash_array(digest: "hashlib._Hash", array: NDArray) -> None:
    """Hash shape and content in blocks of rows; the width of integers makes no difference."""
    digest.update(f"{array.shape}".encode())
    for start in range(0, len(array), _HASHED_ROWS):
        block = array[start : start + _HASHED_ROWS]
        wide = block.astype(np.int64, copy=False) if np.issubdtype(block.dtype, np.integer) else block
        digest.update(np.ascontiguousarray(wide).data)
