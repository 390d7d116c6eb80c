"""Where anchors come from: one source per class."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np
from scipy.sparse import csr_array, eye_array

from xcgraph.data.anchors import AnchorSet, complete_edges
from xcgraph.errors import UserError
from xcgraph.graph.base import LabelGraph
from xcgraph.recipes.workspace import Workspace
from xcgraph.sparse import normalize_rows
from xcgraph.tasks.regularization import Regularization


@runtime_checkable
class AnchorSource(Protocol):
    """Finds the anchors of a data set.

    Attributes:
        sums_texts: whether an anchor's text is a weighted sum of others.
    """

    sums_texts: ClassVar[bool]

    def find(self, work: Workspace) -> Sequence[AnchorSet]:
        """Return the anchor sets of the training points and labels."""


@dataclass(frozen=True)
class NoAnchors:
    """None: for a dual encoder without graphs."""

    sums_texts: ClassVar[bool] = False

    def find(self, work: Workspace) -> Sequence[AnchorSet]:  # noqa: ARG002
        """Return nothing."""
        return ()


def check_anchors(anchors: AnchorSource, regularizer: Regularization) -> None:
    """Refuse a regularizer that would have no anchors.

    Raises:
        UserError: it needs some.
    """
    if isinstance(anchors, NoAnchors):
        regularizer.build(())


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

    sums_texts: ClassVar[bool] = False

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
            complete_edges(known, graph, max_new=self.num_anchors, keep_as=0)
            for known in (work.train.labels, themselves)
        )
        return (
            AnchorSet(features=work.label_features, points=points, labels=labels, anchor_labels=themselves),
        )


@dataclass(frozen=True, kw_only=True)
class MetadataAnchors:
    """Anchors from a data set's graph metadata, such as hyperlinks or categories: one set for each graph.

    Points and labels are also linked to anchors near to theirs: by walks with restart over anchor → point →
    anchor. There are no files of anchors' texts; an anchor's text is taken to be the mean text of the points
    and labels that it is linked to.

    Attributes:
        graphs: names of the graphs; None takes all that the data set has.
        walks: which anchors are near to each other, from the (points, anchors) links.
        num_anchors: anchors per point and per label beside those linked, the nearest ones.
    """

    sums_texts: ClassVar[bool] = True

    graphs: list[str] | None
    walks: LabelGraph
    num_anchors: int = 10

    def __post_init__(self) -> None:
        if self.num_anchors < 1:
            raise UserError(f"anchors.num_anchors must be ≥ 1, got {self.num_anchors}.")

    def find(self, work: Workspace) -> Sequence[AnchorSet]:
        """Return an anchor set for each graph.

        Raises:
            UserError: the data set lacks a graph.
        """
        names = sorted(work.metadata) if self.graphs is None else self.graphs
        missing = [name for name in names if name not in work.metadata]
        if missing or not names:
            wanted = missing[0] if missing else "some"
            found = ", ".join(sorted(work.metadata)) or "none"
            raise UserError(
                f"anchors.graphs: expected graph metadata, {wanted}, found {found}; name one that is there, "
                "or take anchors=label_graph."
            )
        return tuple(self._find(work, name) for name in names)

    def _find(self, work: Workspace, name: str) -> AnchorSet:
        given = work.metadata[name]
        nothing = csr_array((work.num_labels, given.num_anchors), dtype=np.float32)
        of_labels = nothing if given.labels is None else given.labels
        nearness = work.keep_matrix(
            f"anchor-graph-{name}",
            {"walks": self.walks},
            lambda: self.walks.build(given.train, None, work.seed_for("anchors", name)),
        ).value
        points, labels = (
            complete_edges(known, nearness, max_new=self.num_anchors, keep_as=1)
            for known in (given.train, of_labels)
        )
        texts = given.train.T @ work.train.features + of_labels.T @ work.label_features
        features = normalize_rows(csr_array(texts, dtype=np.float32))
        features.sort_indices()
        return AnchorSet(
            features=features, points=points, labels=labels, anchor_labels=csr_array(of_labels.T.tocsr())
        )
