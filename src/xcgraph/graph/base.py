"""What every label graph offers."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, eye_array


@runtime_checkable
class LabelGraph(Protocol):
    """Builds a label correlation graph from training labels."""

    def build(self, labels: csr_array, label_vectors: NDArray[np.float32] | None, seed: int) -> csr_array:
        """Build the normalised label correlation graph Ĝ = D_r^-1/2 · G · D_c^-1/2.

        Args:
            labels: (points, labels) of the training points; every stored entry is a positive.
            label_vectors: (labels, dim) vectors of the labels' texts for pruning edges, or None before
                any have been trained.
            seed: equal seeds give equal graphs, whatever the number of threads.

        Returns:
            (labels, labels) float32 with sorted indices; rows need not sum to 1.
        """
        ...


@dataclass(frozen=True)
class IdentityGraph:
    """Ĝ = I: every label knows only itself. The ablation without a label graph."""

    def build(self, labels: csr_array, label_vectors: NDArray[np.float32] | None, seed: int) -> csr_array:  # noqa: ARG002
        """Build the (labels, labels) identity; only the number of labels is read."""
        return csr_array(eye_array(labels.shape[1], dtype=np.float32, format="csr"))
