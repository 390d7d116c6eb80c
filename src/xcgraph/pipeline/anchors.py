"""Where anchors come from: one source per class."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from scipy.sparse import csr_array, eye_array

from xcgraph.data.anchors import AnchorSet, complete
from xcgraph.errors import UserError
from xcgraph.graph.base import LabelGraph
from xcgraph.pipeline.workspace import Workspace


@runtime_checkable
class AnchorSource(Protocol):
    """Finds the anchors of a data set."""

    def find(self, work: Workspace) -> Sequence[AnchorSet]:
        """Return the anchor sets of the training points and labels."""


@dataclass(frozen=True)
class NoAnchors:
    """None: for a dual encoder without graphs."""

    def find(self, work: Workspace) -> Sequence[AnchorSet]:  # noqa: ARG002
        """Return nothing."""
        return ()


@dataclass(frozen=True, kw_only=True)
class LabelAnchors:
    """Labels are the anchors, for data sets without graph metadata.

    A label's anchors are its neighbours in the label correlation graph; a point's anchors are the neighbours
    of its labels. The graph comes from random walks, so it is complete in RAMEN's sense. A point's own
    labels, and a label itself, are no anchors, since L teaches them already, and no negatives either.

    Attributes:
        graph: builds the label correlation graph.
        num_anchors: anchors per point and per label, those nearest by the graph.
    """

    graph: LabelGraph
    num_anchors: int = 10

    def __post_init__(self) -> None:
        if self.num_anchors < 1:
            raise UserError(f"anchors.num_anchors must be ≥ 1, got {self.num_anchors}.")

    def find(self, work: Workspace) -> Sequence[AnchorSet]:
        """Return one anchor set, of all labels."""
        graph = work.keep_matrix(
            "anchor-graph",
            {"graph": self.graph},
            lambda: self.graph.build(work.train.labels, None, work.seed_for("anchors")),
        ).value
        themselves = csr_array(eye_array(work.num_labels, dtype=np.float32, format="csr"))
        points, labels = (
            complete(known, graph, most=self.num_anchors, known_value=0)
            for known in (work.train.labels, themselves)
        )
        return (AnchorSet(features=work.label_features, points=points, labels=labels, named=themselves),)
