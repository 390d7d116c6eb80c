"""Choices of the points to train on: the points of the dataset, optionally with label texts as points."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from scipy.sparse import csr_array, diags_array, eye_array, vstack

from xcgraph.data.anchors import AnchorSet
from xcgraph.data.xc_data import Split
from xcgraph.errors import UserError
from xcgraph.metrics.functional import inverse_propensity
from xcgraph.sparse import retain_top_k


@runtime_checkable
class PointSelection(Protocol):
    """Chooses the points to train on."""

    def select(self, train: Split, label_texts: csr_array, graph: csr_array) -> Split:
        """Return the points, with the relevance of each of their labels in (0, 1].

        Args:
            train: training points of the dataset.
            label_texts: (labels, tokens) Z.
            graph: (labels, labels) Ĝ.
        """

    def extend_anchors(self, anchor_sets: Sequence[AnchorSet]) -> Sequence[AnchorSet]:
        """Return the anchor sets of the training points with rows for the points of :meth:`select`."""


@dataclass(frozen=True)
class TrainingPointsOnly:
    """The training points of the dataset."""

    def select(self, train: Split, label_texts: csr_array, graph: csr_array) -> Split:  # noqa: ARG002
        """Return the training points."""
        return train

    def extend_anchors(self, anchor_sets: Sequence[AnchorSet]) -> Sequence[AnchorSet]:
        """Return the anchor sets unchanged."""
        return anchor_sets


class LabelTextsAsPoints(ABC):
    """The training points, and the text of each label as one more point with this label.

    To a lesser degree, the point also has other labels (after Gandalf: Kharbanda et al., KDD'24). A label
    with one training point thus gets a second. The model can learn what label names and point texts share
    before it sees any labelled point.
    """

    def select(self, train: Split, label_texts: csr_array, graph: csr_array) -> Split:
        """Return the training points, followed by the label texts."""
        own = eye_array(graph.shape[0], dtype=np.float32, format="csr")
        relevance = csr_array(own + self.relevance(train.labels, graph))
        return Split(
            features=csr_array(vstack([train.features, label_texts], format="csr")),
            labels=csr_array(vstack([train.labels, relevance], format="csr")),
            filter_pairs=train.filter_pairs,
        )

    def extend_anchors(self, anchor_sets: Sequence[AnchorSet]) -> Sequence[AnchorSet]:
        """Return the anchors of the training points, followed by the anchors of the labels."""
        return tuple(
            replace(anchors, points=csr_array(vstack([anchors.points, anchors.labels], format="csr")))
            for anchors in anchor_sets
        )

    @abstractmethod
    def relevance(self, labels: csr_array, graph: csr_array) -> csr_array:
        """Return the (labels, labels) relevance of other labels for a label's text; the diagonal is empty.

        Args:
            labels: (points, labels) labels of the training points.
            graph: (labels, labels) Ĝ.
        """


@dataclass(frozen=True, kw_only=True)
class CooccurrenceLabelTexts(LabelTextsAsPoints):
    """The text of a label has the other labels of its training points, each with its share of these points.

    The text itself counts as one of the label's points. This keeps very frequent labels as frequent among
    label texts as among points; otherwise the model would underestimate them.

    Attributes:
        num_labels: number of other labels per text, largest shares first.
    """

    num_labels: int = 20

    def __post_init__(self) -> None:
        if self.num_labels < 0:
            raise UserError(f"points.num_labels must be ≥ 0, got {self.num_labels}.")

    def relevance(self, labels: csr_array, graph: csr_array) -> csr_array:  # noqa: ARG002
        """Return n_lk / (n_l + 1), with n_l points of a label, and n_lk points of both labels."""
        binary = csr_array(labels > 0, dtype=np.float32)
        together = csr_array(binary.T @ binary)
        counts = together.diagonal()
        together.setdiag(0)
        together.eliminate_zeros()
        shares = csr_array(diags_array(1 / (counts + 1)) @ together, dtype=np.float32)
        return retain_top_k(shares, self.num_labels)


@dataclass(frozen=True, kw_only=True)
class GraphLabelTexts(LabelTextsAsPoints):
    """The text of a label has the label's neighbours in the graph.

    Attributes:
        neighbour_relevance: relevance of the nearest neighbour; the relevance of others is proportional to
            their edges.
    """

    neighbour_relevance: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.neighbour_relevance <= 1:
            raise UserError(f"points.neighbour_relevance must lie in [0, 1], got {self.neighbour_relevance}.")

    def relevance(self, labels: csr_array, graph: csr_array) -> csr_array:  # noqa: ARG002
        """Scale edges between labels so that the strongest of each label is ``neighbour_relevance``."""
        edges = graph.tocoo()
        different = (edges.row != edges.col) & (edges.data * self.neighbour_relevance > 0)
        near = csr_array((edges.data[different], (edges.row[different], edges.col[different])), graph.shape)
        largest = np.maximum(near.max(axis=1).toarray().ravel(), np.finfo(np.float32).tiny)
        return csr_array(diags_array((self.neighbour_relevance / largest).astype(np.float32)) @ near)


@dataclass(frozen=True, kw_only=True)
class PropensityWeighted:
    """Weights the labels of other points by their inverse propensities, as in PSP: rare labels most.

    Attributes:
        points: chooses the points.
        propensity_a: A of the inverse propensities (:func:`~xcgraph.metrics.functional.inverse_propensity`).
        propensity_b: B of the inverse propensities.
    """

    points: PointSelection
    propensity_a: float
    propensity_b: float

    def select(self, train: Split, label_texts: csr_array, graph: csr_array) -> Split:
        """Return the points with relevance times inverse propensity; the largest factor is 1."""
        chosen = self.points.select(train, label_texts, graph)
        counts = np.bincount(train.labels.indices, minlength=train.labels.shape[1])
        weights = inverse_propensity(
            torch.from_numpy(counts),
            len(train),
            propensity_a=self.propensity_a,
            propensity_b=self.propensity_b,
        ).numpy()
        labels = chosen.labels.copy()
        labels.data = (labels.data * (weights / weights.max())[labels.indices]).astype(np.float32)
        return replace(chosen, labels=labels)

    def extend_anchors(self, anchor_sets: Sequence[AnchorSet]) -> Sequence[AnchorSet]:
        """Return the anchor sets for the weighted points."""
        return self.points.extend_anchors(anchor_sets)
