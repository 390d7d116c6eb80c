"""Label correlation graph by personalised PageRank."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array

from xcgraph.errors import UserError
from xcgraph.graph.pruned import PrunedGraph


@dataclass(frozen=True)
class PageRankGraph(PrunedGraph):
    """G = r · Σ_k (1 − r)^k P^(k+1), where P is the step from a label over one of its points to a label.

    The entries are the shares of visits of :class:`~xcgraph.graph.random_walk.RandomWalkGraph` in infinitely
    long walks, computed by the power series of personalised PageRank. The result is therefore exact for rare
    neighbours, and not random. The other attributes are the attributes of
    :class:`~xcgraph.graph.pruned.PrunedGraph`.

    Attributes:
        restart_prob: r, the probability that a step starts from the label itself.
        tolerance: terms of the series, and entries of a term, below this value are dropped.

    Raises:
        UserError: a value is out of range.
    """

    restart_prob: float = 0.8
    tolerance: float = 1e-4

    def __post_init__(self) -> None:
        super().__post_init__()
        for key in ("restart_prob", "tolerance"):
            if not 0 < getattr(self, key) <= 1:
                raise UserError(f"graph.{key} must lie in (0, 1], found {getattr(self, key)}; correct it.")

    def build(self, labels: csr_array, label_vectors: NDArray[np.float32] | None, seed: int) -> csr_array:
        """Build Ĝ; see :meth:`~xcgraph.graph.base.LabelGraph.build`. The seed has no effect."""
        del seed
        by_point = self.without_head_labels(labels)
        to_point, to_label = _shares(by_point.T.tocsr()), _shares(by_point)
        texts = self.texts(label_vectors, labels.shape[1])
        return self.prune(
            labels.shape[1], texts, lambda rows: self._visits(to_point[rows], to_point, to_label)
        )

    def _visits(self, start: csr_array, to_point: csr_array, to_label: csr_array) -> csr_array:
        """Return the sum of the series for some labels; ``start`` is their step to points."""
        term = self.restart_prob * (start @ to_label)
        total, continue_prob = term, 1 - self.restart_prob
        for _ in range(self._num_terms() - 1):
            term = _drop_below(continue_prob * (term @ to_point @ to_label), self.tolerance)
            total = total + term
        return total

    def _num_terms(self) -> int:
        """Return the number of terms whose sum r · (1 − r)^k is at least the tolerance, plus one."""
        if self.restart_prob == 1:
            return 1
        return 1 + max(1, math.ceil(math.log(self.tolerance / self.restart_prob, 1 - self.restart_prob)))


def _shares(links: csr_array) -> csr_array:
    """Return the rows divided by their number of entries; rows without entries stay empty."""
    counts = np.diff(links.indptr).astype(np.float64)
    return csr_array(diags_array(np.divide(1, counts, out=np.zeros(len(counts)), where=counts > 0)) @ links)


def _drop_below(matrix: csr_array, smallest: float) -> csr_array:
    matrix.data[matrix.data < smallest] = 0
    matrix.eliminate_zeros()
    return matrix
