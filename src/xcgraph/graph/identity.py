"""No graph at all, as a graph."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, eye_array


@dataclass(frozen=True)
class IdentityGraph:
    """Ĝ = I: every label knows only itself. The ablation without a label graph."""

    def build(self, labels: csr_array, label_vectors: NDArray[np.float32] | None, seed: int) -> csr_array:  # noqa: ARG002
        """Build the (labels, labels) identity; only the number of labels is read."""
        return csr_array(eye_array(labels.shape[1], dtype=np.float32, format="csr"))
