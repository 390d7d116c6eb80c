"""Label correlation graph by co-occurrence: the number of points that two labels share."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from xcgraph.graph.pruned import PrunedGraph


@dataclass(frozen=True)
class CooccurrenceGraph(PrunedGraph):
    """G = Yᵀ Y: labels are neighbours if they share training points.

    In contrast to :class:`~xcgraph.graph.random_walk.RandomWalkGraph`, edges never lead over a third label,
    and a point with many labels counts as much as a point with two. The attributes are the attributes of
    :class:`~xcgraph.graph.pruned.PrunedGraph`.
    """

    def build(self, labels: csr_array, label_vectors: NDArray[np.float32] | None, seed: int) -> csr_array:
        """Build Ĝ; see :meth:`~xcgraph.graph.base.LabelGraph.build`. The seed has no effect."""
        del seed
        by_point = self.without_head_labels(labels)
        by_label = by_point.T.tocsr()
        texts = self.texts(label_vectors, labels.shape[1])
        return self.prune(labels.shape[1], texts, lambda rows: by_label[rows] @ by_point)
