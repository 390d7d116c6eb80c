"""Meta-labels, and the label vectors that are clustered into them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array, vstack

from xcgraph.sparse import normalize_rows, retain_top_k

Vectors: TypeAlias = csr_array | NDArray[np.float32]

MOST_ENTRIES = 1 << 27  # of sparse centroids: 1 GiB

_BLOCK_ROWS = 1 << 12


@dataclass(frozen=True)
class MetaLabels:
    """Clusters of labels, which the shortlister scores in their members' place.

    Attributes:
        assignment: (labels,) meta-label of each label.
        num_meta_labels: the number of meta-labels; some may have no members.
    """

    assignment: NDArray[np.int32]
    num_meta_labels: int

    def __post_init__(self) -> None:
        outside = np.flatnonzero((self.assignment < 0) | (self.assignment >= self.num_meta_labels))
        if len(outside):
            found = f"label {outside[0]} is in meta-label {self.assignment[outside[0]]}"
            raise ValueError(f"Expected meta-labels 0 to {self.num_meta_labels - 1}, but {found}.")

    def members(self) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """List the members of all meta-labels.

        Returns:
            (meta + 1,) starts and (labels,) labels: members of meta-label m are
            ``labels[starts[m] : starts[m + 1]]``, ascending.
        """
        sizes = np.bincount(self.assignment, minlength=self.num_meta_labels)
        labels = np.argsort(self.assignment, kind="stable").astype(np.int32)
        return np.concatenate([[0], np.cumsum(sizes)]), labels

    def membership(self) -> csr_array:
        """Build T: (meta, labels) float32, 1 where the label is a member of the meta-label."""
        starts, labels = self.members()
        shape = (self.num_meta_labels, len(labels))
        return csr_array((np.ones(len(labels), np.float32), labels, starts), shape=shape)

    def meta_targets(self, labels: csr_array) -> csr_array:
        """Turn (points, labels) into (points, meta) float32: 1 where a point has a meta-label's member."""
        shape = (labels.shape[0], self.num_meta_labels)
        counts = np.ones(labels.nnz, np.float32)
        # sum_duplicates works in place: the caller's indptr stays as it is.
        targets = csr_array((counts, self.assignment[labels.indices], labels.indptr.copy()), shape=shape)
        targets.sum_duplicates()
        targets.data[:] = 1
        return targets

    def meta_features(self, label_features: csr_array) -> csr_array:
        """Build the meta-labels' texts: the sum of the members' (labels, tokens) texts, at unit L2 norm.

        Returns:
            (meta, tokens) float32 with sorted indices.
        """
        features = normalize_rows(csr_array(self.membership() @ label_features, dtype=np.float32))
        features.sort_indices()
        return features


def label_centroids(
    features: Vectors, labels: csr_array, label_features: Vectors, graph: csr_array
) -> Vectors:
    """Describe each label by its points and by its neighbours' points, for clustering.

    A label's centroid is the sum of its points' vectors, or its own text vector if it has no points, at unit
    L2 norm. Neighbours then share theirs: Ĝ · centroids ("graph-augmented clustering", ECLARE section 3),
    again at unit norm. The clustering is spherical, so the second normalisation changes no cluster; it
    gives the result a scale.

    Sparse centroids of millions of labels would not fit into memory: where they could have more than
    ``MOST_ENTRIES`` in all, each keeps its largest ones, as many as every label may have.

    Args:
        features: (points, dim) float32 vectors of the training points, dense or sparse.
        labels: (points, labels) of the training points, ones.
        label_features: (labels, dim) vectors of the label texts, of the same kind as ``features``.
        graph: (labels, labels) Ĝ; the identity for plain centroids.

    Returns:
        (labels, dim) float32 of the same kind as ``features``; sparse ones have sorted indices.
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

    def own(rows: slice) -> csr_array:
        texts = diags_array(missing[rows].astype(np.float32)) @ label_features[rows]
        return by_label[rows] @ features + texts

    centroids = _sparse_rows(own, labels.T @ np.diff(features.indptr) + np.diff(label_features.indptr))
    edges = csr_array((np.ones(graph.nnz), graph.indices, graph.indptr), shape=graph.shape)
    return _sparse_rows(lambda rows: graph[rows] @ centroids, edges @ np.diff(centroids.indptr))


def _sparse_rows(compute: Callable[[slice], csr_array], at_most: NDArray) -> csr_array:
    """Compute rows block by block, of unit norm; ``at_most`` says how many entries each can have."""
    kept = MOST_ENTRIES // len(at_most) if at_most.sum() > MOST_ENTRIES else None
    blocks = []
    for start in range(0, len(at_most), _BLOCK_ROWS):
        block = csr_array(compute(slice(start, start + _BLOCK_ROWS)), dtype=np.float32)
        blocks.append(_unit_rows(block if kept is None else retain_top_k(block, kept)))
    return vstack(blocks, format="csr")


def _unit_rows(vectors: Vectors) -> Vectors:
    """Scale rows to unit L2 norm, dense ones in place; rows of zeros stay."""
    if isinstance(vectors, csr_array):
        vectors = normalize_rows(vectors)
        vectors.sort_indices()
        return vectors
    norms = np.sqrt(np.einsum("rd,rd->r", vectors, vectors, dtype=np.float64))
    np.divide(vectors, np.where(norms > 0, norms, 1).astype(np.float32)[:, None], out=vectors)
    return vectors
