"""Sources of the anchors that RAMEN's regularizers link points and labels to."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np
from scipy.sparse import csr_array, eye_array

from xcgraph.data.anchors import AnchorSet, complete_edges
from xcgraph.errors import UserError
from xcgraph.graph.base import LabelGraph
from xcgraph.recipes.keyed import Keyed
from xcgraph.recipes.workspace import Workspace
from xcgraph.sparse import normalize_rows
from xcgraph.tasks.regularization import Regularization


@runtime_checkable
class AnchorSource(Protocol):
    """Finds the anchors of a dataset.

    Attributes:
        sums_texts: whether the text of an anchor is a weighted sum of other texts.
    """

    sums_texts: ClassVar[bool]

    def find(self, work: Workspace) -> Sequence[AnchorSet]:
        """Return the anchor sets of the training points and labels."""


@dataclass(frozen=True)
class NoAnchors:
    """No anchors: for a dual encoder without graphs."""

    sums_texts: ClassVar[bool] = False

    def find(self, work: Workspace) -> Sequence[AnchorSet]:  # noqa: ARG002
        """Return no anchor sets."""
        return ()


def check_anchors(anchors: AnchorSource, regularizer: Regularization) -> None:
    """Check that a regularizer gets the anchors it needs.

    Raises:
        UserError: the regularizer needs anchors, but the source of anchors is empty.
    """
    if isinstance(anchors, NoAnchors):
        regularizer.build(())


def find_anchors(work: Workspace, source: AnchorSource) -> Keyed[Sequence[AnchorSet]]:
    """Return the anchor sets of a source, under a key of the source and the data."""
    return work.derive("anchors", _find_anchors, source=source)


def _find_anchors(work: Workspace, *, source: AnchorSource) -> Sequence[AnchorSet]:
    return source.find(work)


@dataclass(frozen=True, kw_only=True)
class LabelAnchors:
    """Labels are the anchors, for datasets without graph metadata.

    The anchors of a label are its neighbours in the label correlation graph; the anchors of a point are the
    neighbours of its labels. Random walks build the graph, so it is complete in RAMEN's sense. A point's own
    labels are neither anchors (the main loss covers them) nor negatives, and a label is not its own anchor.

    Attributes:
        graph: builds the label correlation graph.
        num_anchors: anchors per point and per label, nearest in the graph first.
    """

    sums_texts: ClassVar[bool] = False

    graph: LabelGraph
    num_anchors: int = 10

    def __post_init__(self) -> None:
        if self.num_anchors < 1:
            raise UserError(f"anchors.num_anchors must be ≥ 1, got {self.num_anchors}.")

    def find(self, work: Workspace) -> Sequence[AnchorSet]:
        """Return one anchor set, whose anchors are all labels."""
        graph = work.keep_matrix("anchor-graph", _build_label_graph, graph=self.graph).value
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
    """Anchors from a dataset's graph metadata, such as hyperlinks or categories: one set per graph.

    Random walks with restart over anchor → point → anchor find further anchors near the linked ones, and add
    them. Datasets have no files with the texts of anchors, so the text of an anchor is the mean of the texts
    of its points and labels.

    Attributes:
        graphs: names of the graphs; None for all graphs of the dataset.
        walks: finds the anchors near each anchor, from the (points, anchors) links.
        num_anchors: anchors per point and per label to add, nearest first.
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
            UserError: the dataset does not have a graph of this name.
        """
        names = sorted(work.metadata) if self.graphs is None else self.graphs
        missing = [name for name in names if name not in work.metadata]
        if missing or not names:
            wanted = missing[0] if missing else "some"
            found = ", ".join(sorted(work.metadata)) or "none"
            raise UserError(
                f"anchors.graphs: expected graph metadata, {wanted}, found {found}; choose a graph of the "
                "dataset, or anchors=label_graph."
            )
        return tuple(self._find(work, name) for name in names)

    def _find(self, work: Workspace, name: str) -> AnchorSet:
        links = work.metadata[name]
        no_links = csr_array((work.num_labels, links.num_anchors), dtype=np.float32)
        label_links = no_links if links.labels is None else links.labels
        nearness = work.keep_matrix(
            f"anchor-graph-{name}", _build_anchor_graph, walks=self.walks, metadata=name
        ).value
        points, labels = (
            complete_edges(known, nearness, max_new=self.num_anchors, keep_as=1)
            for known in (links.train, label_links)
        )
        texts = links.train.T @ work.train.features + label_links.T @ work.label_features
        features = normalize_rows(csr_array(texts, dtype=np.float32))
        features.sort_indices()
        return AnchorSet(
            features=features, points=points, labels=labels, anchor_labels=csr_array(label_links.T.tocsr())
        )


def _build_label_graph(work: Workspace, *, graph: LabelGraph) -> csr_array:
    return graph.build(work.train.labels, None, work.seed_for("anchors"))


def _build_anchor_graph(work: Workspace, *, walks: LabelGraph, metadata: str) -> csr_array:
    links = work.metadata[metadata].train
    return walks.build(links, None, work.seed_for("anchors", metadata))
