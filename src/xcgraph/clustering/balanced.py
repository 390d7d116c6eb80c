"""Balanced spherical 2-means tree, which divides rows into clusters of equal size."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from xcgraph.clustering.two_means import split_level, to_rows
from xcgraph.errors import UserError


@dataclass(frozen=True)
class BalancedTree:
    """Splits rows into two halves recursively, by 2-means with cosine similarity (Parabel, WWW'18).

    The halves of a node differ in size by at most one row, and therefore all clusters do. Rows are first
    scaled to unit length; a row of zeros is equally similar to both halves. Each split starts from a random
    row and the row least similar to it. On LF-WordNet-8K this is better than two random rows, at the same
    cost. A split alternates between the best balanced assignment for its centroids and the best centroids
    for the assignment. Its objective therefore never decreases.

    Attributes:
        max_iterations: maximum number of alternations per split, at least 1.
        tolerance: a split ends if the mean cosine similarity of its rows to their centroids increases by
            less than this.

    Raises:
        UserError: a value is out of range.
    """

    max_iterations: int = 50
    tolerance: float = 1e-4

    def __post_init__(self) -> None:
        if self.max_iterations < 1:
            raise UserError(
                f"clustering.max_iterations must be at least 1, found {self.max_iterations}; raise it."
            )
        if not self.tolerance >= 0:
            raise UserError(f"clustering.tolerance must be at least 0, found {self.tolerance}; raise it.")

    def fit(
        self, vectors: csr_array | NDArray[np.float32], num_clusters: int, seed: int
    ) -> NDArray[np.int32]:
        """Assign each row to a cluster.

        Args:
            vectors: (rows, dim), dense or sparse. Both forms give the same clusters.
            num_clusters: a power of two. If there are fewer rows, each row becomes its own cluster.
            seed: random seed, at least 0. Equal seeds give equal clusters with any number of threads.

        Returns:
            (rows,) cluster of each row, numbered in tree order. Clusters 2i and 2i + 1 are siblings unless
            there are fewer rows than ``num_clusters``.

        Raises:
            UserError: ``num_clusters`` is not a power of two, or a vector is not finite.
        """
        if num_clusters < 1 or num_clusters.bit_count() != 1:
            raise UserError(f"The number of clusters must be a power of two, found {num_clusters}; try 64.")
        num_rows = vectors.shape[0]
        rows = to_rows(vectors)
        order, bounds = np.arange(num_rows), np.array([0, num_rows])
        depth = min(num_clusters, max(num_rows, 1)) - 1
        for level in range(depth.bit_length()):
            uniform = np.random.default_rng([seed, level]).random(len(bounds) - 1)
            firsts = (uniform * np.diff(bounds)).astype(np.int64)
            split_level(rows, order, bounds, firsts, (self.max_iterations, float(self.tolerance)))
            bounds = np.repeat(bounds, 2)[:-1]
            bounds[1::2] += (np.diff(bounds[::2]) + 1) // 2
        sizes = np.diff(bounds)
        clusters = np.empty(num_rows, np.int32)
        clusters[order] = np.repeat(np.arange(np.count_nonzero(sizes)), sizes[sizes > 0])
        return clusters
