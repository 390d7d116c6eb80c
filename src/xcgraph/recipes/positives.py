"""What the loss takes for true of training points: their labels, or also those that graphs suggest."""

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
    """Says which labels are true of training points."""

    def check(self, anchors: AnchorSource) -> None:
        """Refuse with a UserError a source of anchors that is not enough."""

    def targets(self, labels: csr_array, anchor_sets: Sequence[AnchorSet]) -> csr_array:
        """Return (points, labels), 1 where a label is taken for true, given the labels that are."""


@dataclass(frozen=True)
class ObservedLabels:
    """The labels that the data set gives."""

    def check(self, anchors: AnchorSource) -> None:
        """Take any."""

    def targets(self, labels: csr_array, anchor_sets: Sequence[AnchorSet]) -> csr_array:  # noqa: ARG002
        """Return the given labels."""
        return labels


@dataclass(frozen=True, kw_only=True)
class AugmentedLabels:
    """Labels that anchors suggest count as true too, instead of a regularizer (RAMEN's ablation "AugGT").

    An anchor of a point suggests the labels that it was linked to in the first place; with labels as anchors,
    itself.

    Attributes:
        max_per_point: suggested labels per point and anchor set, those suggested by most anchors.
    """

    max_per_point: int = 10

    def __post_init__(self) -> None:
        if self.max_per_point < 1:
            raise UserError(f"positives.max_per_point must be ≥ 1, got {self.max_per_point}.")

    def check(self, anchors: AnchorSource) -> None:
        """Refuse to be without anchors."""
        if isinstance(anchors, NoAnchors):
            raise UserError(
                "positives=augmented needs anchors: choose some with anchors=…, or positives=given."
            )

    def targets(self, labels: csr_array, anchor_sets: Sequence[AnchorSet]) -> csr_array:
        """Return the given labels and those that anchors suggest."""
        union = labels
        for anchors in anchor_sets:
            suggested = csr_array(anchors.points @ (anchors.anchor_labels > 0).astype(np.float32))
            # A sum drops zeros: what is linked only to be no negative suggests nothing.
            union = csr_array(union + retain_top_k(suggested, self.max_per_point))
        ones = np.ones(union.nnz, np.float32)
        return csr_array((ones, union.indices, union.indptr), shape=union.shape)
