"""The interface of all label graph builders, and the builder without edges between labels."""

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
            label_vectors: (labels, dim) vectors of the labels' texts for pruning edges, or None if no
                vectors have been trained yet.
            seed: random seed. Equal seeds give equal graphs with any number of threads.

        Returns:
            (labels, labels) float32 with sorted indices; rows do not have to sum to 1.
        """
        ...


@dataclass(frozen=True)
class IdentityGraph:
    """Builds Ĝ = I, in which each label is connected only to itself: the ablation without a label graph."""

    def build(self, labels: csr_array, label_vectors: NDArray[np.float32] | None, seed: int) -> csr_array:  # noqa: ARG002
        """Return the (labels, labels) identity; only the number of labels matters."""
        return csr_array(eye_array(labels.shape[1], dtype=np.float32, format="csr"))
