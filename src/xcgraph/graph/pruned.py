"""Common part of the builders of label correlation graphs: drop head labels and keep the strongest edges."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, no_type_check

import numba
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array, vstack

from xcgraph.errors import UserError
from xcgraph.sparse import retain_top_k, symmetric_normalize

_ROWS_PER_BLOCK = 4096


class Texts(NamedTuple):
    """Label text vectors, which decide about the pruning of edges.

    Attributes:
        vectors: (labels, dim) text vectors.
        norms: (labels,) L2 norms of the vectors.
        min_similarity: edges with a smaller cosine similarity are pruned.
    """

    vectors: NDArray[np.float32]
    norms: NDArray[np.float64]
    min_similarity: float


@dataclass(frozen=True)
class PrunedGraph:
    """Base of graphs that drop head labels and keep each label's strongest edges to similar labels.

    Attributes:
        num_neighbors: maximum number of other labels kept per label. Among equal edges, smaller label ids
            are kept.
        head_label_threshold: labels with more training points than this have no neighbours but themselves.
        min_similarity: edges between labels with a smaller cosine similarity are pruned.

    Raises:
        UserError: a value is out of range.
    """

    num_neighbors: int = 10
    head_label_threshold: int = 500
    min_similarity: float = 0.0

    def __post_init__(self) -> None:
        for key in ("num_neighbors", "head_label_threshold"):
            if getattr(self, key) < 1:
                raise UserError(f"graph.{key} must be at least 1, found {getattr(self, key)}; raise it.")
        if not -1 <= self.min_similarity <= 1:
            raise UserError(
                f"graph.min_similarity must lie in [-1, 1], found {self.min_similarity}; correct it."
            )

    def without_head_labels(self, labels: csr_array) -> csr_array:
        """Return (points, labels) without the entries of head labels; all other entries become 1.

        Points can lose all their labels. This is harmless, because no walk reaches a point without labels.
        """
        counts = np.bincount(labels.indices, minlength=labels.shape[1])
        kept = counts[labels.indices] <= self.head_label_threshold
        indptr = np.concatenate([[0], np.cumsum(kept)])[labels.indptr]
        return csr_array((np.ones(indptr[-1], np.float32), labels.indices[kept], indptr), shape=labels.shape)

    def texts(self, label_vectors: NDArray[np.float32] | None, num_labels: int) -> Texts:
        """Return the label vectors with their norms; None as ``label_vectors`` keeps every edge.

        Raises:
            ValueError: ``label_vectors`` is not one vector per label.
        """
        if label_vectors is None:
            return Texts(np.zeros((num_labels, 0), np.float32), np.zeros(num_labels), -1.0)
        if len(label_vectors) != num_labels:
            raise ValueError(f"Expected {num_labels} label vectors, got {len(label_vectors)}.")
        squares = np.einsum("ld,ld->l", label_vectors, label_vectors, dtype=np.float64)
        # float() avoids another compilation by numba if the configuration has an integer.
        return Texts(label_vectors, np.sqrt(squares), float(self.min_similarity))

    def prune(self, num_labels: int, texts: Texts, row_weights: Callable[[slice], csr_array]) -> csr_array:
        """Build Ĝ from blocks of rows, so that only one unpruned block is in memory at a time.

        Args:
            num_labels: the number of labels.
            texts: label vectors for the pruning.
            row_weights: returns a range of rows of the (labels, labels) weights, which are ≥ 0. A label
                without a positive weight to itself gets the weight 1.
        """
        blocks, own = [], np.empty(num_labels, np.float32)
        for start in range(0, num_labels, _ROWS_PER_BLOCK):
            rows = slice(start, min(start + _ROWS_PER_BLOCK, num_labels))
            weights = csr_array(row_weights(rows), dtype=np.float32)
            own[rows] = weights.diagonal(start)
            kept = np.empty(weights.nnz, np.bool_)
            _mark_similar(
                weights.indptr.astype(np.int64), weights.indices.astype(np.int64), start, texts, kept
            )
            indptr = np.concatenate([[0], np.cumsum(kept)])[weights.indptr]
            others = csr_array((weights.data[kept], weights.indices[kept], indptr), shape=weights.shape)
            blocks.append(retain_top_k(others, self.num_neighbors))
        neighbors = vstack(blocks, format="csr") if blocks else csr_array((0, 0), dtype=np.float32)
        return symmetric_normalize(csr_array(neighbors + diags_array(np.where(own > 0, own, 1))))


# no_type_check on all functions below keeps jaxtyping's import hook away, which numba cannot compile.


@numba.njit(cache=True)
@no_type_check
def cosine(texts: Texts, first: int, second: int) -> float:
    """Return the cosine similarity of two labels; it is 0 if a vector is zero."""
    product = 0.0
    for column in range(texts.vectors.shape[1]):
        product += np.float64(texts.vectors[first, column]) * np.float64(texts.vectors[second, column])
    norms = texts.norms[first] * texts.norms[second]
    # Rounding can give a value just below -1, which would fail the lowest threshold.
    return max(product / norms, -1.0) if norms > 0 else 0.0


@numba.njit(parallel=True, cache=True)
@no_type_check
def _mark_similar(
    indptr: NDArray[np.int64],
    indices: NDArray[np.int64],
    first_label: int,
    texts: Texts,
    kept: NDArray[np.bool_],
) -> None:
    """Set ``kept`` to true for each entry that is an edge to another label with enough similarity."""
    for row in numba.prange(len(indptr) - 1):
        label = first_label + np.int64(row)
        for entry in range(indptr[row], indptr[row + 1]):
            other = indices[entry]
            kept[entry] = other != label and cosine(texts, label, other) >= texts.min_similarity
