"""Meta-labels, which are clusters of labels, and the label vectors that are clustered."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array, vstack

from xcgraph.sparse import normalize_rows, retain_top_k

Vectors: TypeAlias = csr_array | NDArray[np.float32]

MAX_ENTRIES = 1 << 27  # maximum number of entries of sparse centroids, which take 1 GiB

_BLOCK_ROWS = 1 << 12


@dataclass(frozen=True)
class MetaLabels:
    """Clusters of labels, which the shortlister scores instead of labels.

    Attributes:
        assignment: (labels,) meta-label of each label.
        num_meta_labels: number of meta-labels; some can be empty.

    Raises:
        ValueError: a label is assigned to a meta-label that does not exist.
    """

    assignment: NDArray[np.int32]
    num_meta_labels: int

    def __post_init__(self) -> None:
        outside = np.flatnonzero((self.assignment < 0) | (self.assignment >= self.num_meta_labels))
        if len(outside):
            found = f"label {outside[0]} is in meta-label {self.assignment[outside[0]]}"
            raise ValueError(f"Expected meta-labels 0 to {self.num_meta_labels - 1}, but {found}.")

    def members(self) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """Return the members of all meta-labels.

        Returns:
            (meta + 1,) starts and (labels,) labels. The members of meta-label m are
            ``labels[starts[m] : starts[m + 1]]``, ascending.
        """
        sizes = np.bincount(self.assignment, minlength=self.num_meta_labels)
        labels = np.argsort(self.assignment, kind="stable").astype(np.int32)
        return np.concatenate([[0], np.cumsum(sizes)]), labels

    def membership(self) -> csr_array:
        """Return T: (meta, labels) float32, 1 where the label is a member of the meta-label."""
        starts, labels = self.members()
        shape = (self.num_meta_labels, len(labels))
        return csr_array((np.ones(len(labels), np.float32), labels, starts), shape=shape)

    def meta_targets(self, labels: csr_array) -> csr_array:
        """Return (points, meta) float32: 1 where a point has at least one label of the meta-label."""
        shape = (labels.shape[0], self.num_meta_labels)
        counts = np.ones(labels.nnz, np.float32)
        # sum_duplicates works in place and must not change the caller's indptr.
        targets = csr_array((counts, self.assignment[labels.indices], labels.indptr.copy()), shape=shape)
        targets.sum_duplicates()
        targets.data[:] = 1
        return targets

    def meta_features(self, label_features: csr_array) -> csr_array:
        """Return the texts of the meta-labels: the sum of the members' (labels, tokens) rows, at unit norm.

        Returns:
            (meta, tokens) float32 with sorted indices.
        """
        features = normalize_rows(csr_array(self.membership() @ label_features, dtype=np.float32))
        features.sort_indices()
        return features


def label_centroids(
    features: Vectors, labels: csr_array, label_features: Vectors, graph: csr_array
) -> Vectors:
    """Return a vector per label for the clustering, from its points and the points of its neighbours.

    The centroid of a label is the sum of the vectors of its points, or its text vector if it has no points,
    at unit L2 norm. The result is Ĝ · centroids ("graph-augmented clustering", ECLARE section 3), again at
    unit norm. The last normalisation does not affect the spherical clustering; it only fixes the scale.

    Sparse centroids of millions of labels do not fit into memory. If they could have more than
    ``MAX_ENTRIES`` entries in total, each row keeps only its largest entries, ``MAX_ENTRIES / labels`` each.

    Args:
        features: (points, dim) float32 vectors of the training points, dense or sparse.
        labels: (points, labels) of the training points; all entries are 1.
        label_features: (labels, dim) vectors of the label texts, dense or sparse like ``features``.
        graph: (labels, labels) Ĝ; the identity gives centroids without neighbours.

    Returns:
        (labels, dim) float32, dense or sparse like ``features``; sparse rows have sorted indices.
    """
    if isinstance(features, csr_array):
        return _sparse_centroids(features, labels, label_features, graph)
    missing = np.bincount(labels.indices, minlength=labels.shape[1]) == 0
    centroids = labels.T.tocsr() @ features
    centroids[missing] = label_features[missing]
    return _unit_rows(graph @ _unit_rows(centroids))


def _sparse_centroids(
    features: csr_array, labels: csr_array, label_features: csr_array, graph: csr_array
) -> csr_array:
    missing = np.bincount(labels.indices, minlength=labels.shape[1]) == 0
    by_label = labels.T.tocsr()

    def own_points(rows: slice) -> csr_array:
        texts = diags_array(missing[rows].astype(np.float32)) @ label_features[rows]
        return by_label[rows] @ features + texts

    centroids = _sparse_rows(own_points, labels.T @ np.diff(features.indptr) + np.diff(label_features.indptr))
    edges = csr_array((np.ones(graph.nnz), graph.indices, graph.indptr), shape=graph.shape)
    return _sparse_rows(lambda rows: graph[rows] @ centroids, edges @ np.diff(centroids.indptr))


def _sparse_rows(compute: Callable[[slice], csr_array], max_entries: NDArray) -> csr_array:
    """Compute rows of unit norm block by block; ``max_entries`` is an upper bound for each row."""
    kept = MAX_ENTRIES // len(max_entries) if max_entries.sum() > MAX_ENTRIES else None
    blocks = []
    for start in range(0, len(max_entries), _BLOCK_ROWS):
        block = csr_array(compute(slice(start, start + _BLOCK_ROWS)), dtype=np.float32)
        blocks.append(_unit_rows(block if kept is None else retain_top_k(block, kept)))
    return vstack(blocks, format="csr")


def _unit_rows(vectors: Vectors) -> Vectors:
    """Return rows at unit L2 norm; dense rows are scaled in place, and rows of zeros do not change."""
    if isinstance(vectors, csr_array):
        vectors = normalize_rows(vectors)
        vectors.sort_indices()
        return vectors
    norms = np.sqrt(np.einsum("rd,rd->r", vectors, vectors, dtype=np.float64))
    np.divide(vectors, np.where(norms > 0, norms, 1).astype(np.float32)[:, None], out=vectors)
    return vectors
