"""What the builders of label correlation graphs do alike: leave out head labels, keep the strongest edges."""

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
    """What decides whether an edge is pruned.

    Attributes:
        vectors: (labels, dim).
        norms: (labels,) their lengths.
        min_similarity: smallest cosine that keeps an edge.
    """

    vectors: NDArray[np.float32]
    norms: NDArray[np.float64]
    min_similarity: float


@dataclass(frozen=True)
class PrunedGraph:
    """A label graph without head labels, of which each label keeps its strongest edges to similar labels.

    Attributes:
        num_neighbors: other labels kept per label; ties go to the smaller label.
        head_label_threshold: labels with more training points than this are cut out and have no neighbour
            but themselves.
        min_similarity: smallest cosine similarity of two labels' vectors that keeps their edge.
    """

    num_neighbors: int = 10
    head_label_threshold: int = 500
    min_similarity: float = 0.0

    def __post_init__(self) -> None:
        for key in ("num_neighbors", "head_label_threshold"):
            if getattr(self, key) < 1:
                raise UserError(f"graph.{key} must be at least 1, found {getattr(self, key)}.")
        if not -1 <= self.min_similarity <= 1:
            raise UserError(f"graph.min_similarity must lie in [-1, 1], found {self.min_similarity}.")

    def without_head_labels(self, labels: csr_array) -> csr_array:
        """Drop the entries of head labels from (points, labels); all others become 1.

        A point left without labels is harmless: no walk reaches it, since it is no label's point either.
        """
        counts = np.bincount(labels.indices, minlength=labels.shape[1])
        kept = counts[labels.indices] <= self.head_label_threshold
        indptr = np.concatenate([[0], np.cumsum(kept)])[labels.indptr]
        return csr_array((np.ones(indptr[-1], np.float32), labels.indices[kept], indptr), shape=labels.shape)

    def texts(self, label_vectors: NDArray[np.float32] | None, num_labels: int) -> Texts:
        """Prepare to compare labels; without vectors, every edge is kept.

        Raises:
            ValueError: ``label_vectors`` is not one vector per label.
        """
        if label_vectors is None:
            return Texts(np.zeros((num_labels, 0), np.float32), np.zeros(num_labels), -1.0)
        if len(label_vectors) != num_labels:
            raise ValueError(f"Expected {num_labels} label vectors, got {len(label_vectors)}.")
        squares = np.einsum("ld,ld->l", label_vectors, label_vectors, dtype=np.float64)
        # float(): a whole number from a configuration would have numba compile anew.
        return Texts(label_vectors, np.sqrt(squares), float(self.min_similarity))

    def prune(self, num_labels: int, texts: Texts, weigh: Callable[[slice], csr_array]) -> csr_array:
        """Assemble Ĝ from blocks of rows, so that only one of them is ever there in full.

        Args:
            num_labels: the number of labels.
            texts: decide which edges are pruned.
            weigh: returns some rows of the (labels, labels) weights, ≥ 0. A label that weighs nothing for
                itself gets a weight of 1.
        """
        blocks, own = [], np.empty(num_labels, np.float32)
        for start in range(0, num_labels, _ROWS_PER_BLOCK):
            rows = slice(start, min(start + _ROWS_PER_BLOCK, num_labels))
            weights = csr_array(weigh(rows), dtype=np.float32)
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


# numba compiles what jaxtyping's import hook has left alone: hence no_type_check on all that follow.


@numba.njit(cache=True)
@no_type_check
def cosine(texts: Texts, first: int, second: int) -> float:
    """Compare two labels; a zero vector has similarity 0 to all."""
    product = 0.0
    for column in range(texts.vectors.shape[1]):
        product += np.float64(texts.vectors[first, column]) * np.float64(texts.vectors[second, column])
    norms = texts.norms[first] * texts.norms[second]
    # Rounding must not push an opposite vector below the lowest threshold.
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
    """Say of each entry whether it is an edge to another label that is similar enough."""
    for row in numba.prange(len(indptr) - 1):
        label = first_label + np.int64(row)
        for entry in range(indptr[row], indptr[row + 1]):
            other = indices[entry]
            kept[entry] = other != label and cosine(texts, label, other) >= texts.min_similarity
