"""Which labels count as positives: the observed ones, optionally extended by labels that anchors suggest."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from scipy.sparse import csr_array

from xcgraph.data.anchors import AnchorSet
from xcgraph.errors import UserError
from xcgraph.recipes.anchors import AnchorSource, NoAnchors
from xcgraph.sparse import retain_top_k


@runtime_checkable
class Positives(Protocol):
    """Decides which labels of the training points count as positives."""

    def check(self, anchors: AnchorSource) -> None:
        """Raise a UserError if the positives need anchors and the source is empty."""

    def targets(self, labels: csr_array, anchor_sets: Sequence[AnchorSet]) -> csr_array:
        """Return (points, labels) 1 where a label counts as positive, from the observed labels."""


@dataclass(frozen=True)
class ObservedLabels:
    """The labels of the dataset."""

    def check(self, anchors: AnchorSource) -> None:
        """Accept every source."""

    def targets(self, labels: csr_array, anchor_sets: Sequence[AnchorSet]) -> csr_array:  # noqa: ARG002
        """Return the observed labels."""
        return labels


@dataclass(frozen=True, kw_only=True)
class AugmentedLabels:
    """The observed labels, and labels that anchors suggest: RAMEN's ablation "AugGT" of the regularizer.

    An anchor of a point suggests the labels that it is linked to in the metadata; if labels are the anchors,
    it suggests itself.

    Attributes:
        max_per_point: suggested labels per point and anchor set; labels that more anchors suggest come first.
    """

    max_per_point: int = 10

    def __post_init__(self) -> None:
        if self.max_per_point < 1:
            raise UserError(f"positives.max_per_point must be ≥ 1, got {self.max_per_point}.")

    def check(self, anchors: AnchorSource) -> None:
        """Raise a UserError if there are no anchors."""
        if isinstance(anchors, NoAnchors):
            raise UserError(
                "positives=augmented needs anchors: choose some with anchors=…, or choose positives=given."
            )

    def targets(self, labels: csr_array, anchor_sets: Sequence[AnchorSet]) -> csr_array:
        """Return the observed labels and the suggested ones."""
        union = labels
        for anchors in anchor_sets:
            suggested = csr_array(anchors.points @ (anchors.anchor_labels > 0).astype(np.float32))
            # The product drops zeros: links of value 0 only exclude negatives and suggest nothing.
            union = csr_array(union + retain_top_k(suggested, self.max_per_point))
        ones = np.ones(union.nnz, np.float32)
        return csr_array((ones, union.indices, union.indptr), shape=union.shape)
