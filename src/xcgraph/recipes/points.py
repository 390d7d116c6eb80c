"""Which points a recipe learns from: those of the data set, or also the labels' own texts."""

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
    """Chooses the points to learn from."""

    def select(self, train: Split, label_texts: csr_array, graph: csr_array) -> Split:
        """Return them, with the relevance of each label in (0, 1].

        Args:
            train: the training points.
            label_texts: (labels, tokens) Z.
            graph: (labels, labels) Ĝ.
        """

    def extend_anchors(self, anchor_sets: Sequence[AnchorSet]) -> Sequence[AnchorSet]:
        """Return the anchors of training points as those of the points to learn from."""


@dataclass(frozen=True)
class TrainingPointsOnly:
    """The training points."""

    def select(self, train: Split, label_texts: csr_array, graph: csr_array) -> Split:  # noqa: ARG002
        """Return the training points."""
        return train

    def extend_anchors(self, anchor_sets: Sequence[AnchorSet]) -> Sequence[AnchorSet]:
        """Return the anchors as they are."""
        return anchor_sets


class LabelTextsAsPoints(ABC):
    """The training points, and each label's text as one more point that carries the label itself.

    To a lesser degree it carries other labels, too (after Gandalf: Kharbanda et al., KDD'24). A label with a
    single training point so has a second; what its name shares with the texts of points is learned before any
    of them is seen.
    """

    def select(self, train: Split, label_texts: csr_array, graph: csr_array) -> Split:
        """Return the training points and, below them, the labels' texts."""
        own = eye_array(graph.shape[0], dtype=np.float32, format="csr")
        carried = csr_array(own + self.relevance(train.labels, graph))
        return Split(
            features=csr_array(vstack([train.features, label_texts], format="csr")),
            labels=csr_array(vstack([train.labels, carried], format="csr")),
            filter_pairs=train.filter_pairs,
        )

    def extend_anchors(self, anchor_sets: Sequence[AnchorSet]) -> Sequence[AnchorSet]:
        """Return the anchors of training points and, below them, those of labels."""
        return tuple(
            replace(anchors, points=csr_array(vstack([anchors.points, anchors.labels], format="csr")))
            for anchors in anchor_sets
        )

    @abstractmethod
    def relevance(self, labels: csr_array, graph: csr_array) -> csr_array:
        """Return (labels, labels) how true others are of a label's text, with an empty diagonal.

        Args:
            labels: (points, labels) of the training points.
            graph: (labels, labels) Ĝ.
        """


@dataclass(frozen=True, kw_only=True)
class CooccurrenceLabelTexts(LabelTextsAsPoints):
    """A label's text carries what its training points carry, by the share of them that do.

    The text itself counts among the label's points. A label that many points carry, whatever they say, so is
    as frequent among label texts as among points; otherwise it would seem rarer than it is.

    Attributes:
        num_labels: other labels per text, those with the largest shares.
    """

    num_labels: int = 20

    def __post_init__(self) -> None:
        if self.num_labels < 0:
            raise UserError(f"points.num_labels must be ≥ 0, got {self.num_labels}.")

    def relevance(self, labels: csr_array, graph: csr_array) -> csr_array:  # noqa: ARG002
        """Return n_lk / (n_l + 1), with the points n_l of a label and n_lk of both."""
        carried = csr_array(labels > 0, dtype=np.float32)
        together = csr_array(carried.T @ carried)
        counts = together.diagonal()
        together.setdiag(0)
        together.eliminate_zeros()
        shares = csr_array(diags_array(1 / (counts + 1)) @ together, dtype=np.float32)
        return retain_top_k(shares, self.num_labels)


@dataclass(frozen=True, kw_only=True)
class GraphLabelTexts(LabelTextsAsPoints):
    """A label's text carries the label's neighbours in the graph.

    Attributes:
        neighbour_relevance: relevance of the nearest neighbour; others have less, by their edge.
    """

    neighbour_relevance: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.neighbour_relevance <= 1:
            raise UserError(f"points.neighbour_relevance must lie in [0, 1], got {self.neighbour_relevance}.")

    def relevance(self, labels: csr_array, graph: csr_array) -> csr_array:  # noqa: ARG002
        """Scale the edges between different labels so that each label's strongest is the share above."""
        edges = graph.tocoo()
        different = (edges.row != edges.col) & (edges.data * self.neighbour_relevance > 0)
        near = csr_array((edges.data[different], (edges.row[different], edges.col[different])), graph.shape)
        largest = np.maximum(near.max(axis=1).toarray().ravel(), np.finfo(np.float32).tiny)
        return csr_array(diags_array((self.neighbour_relevance / largest).astype(np.float32)) @ near)


@dataclass(frozen=True, kw_only=True)
class PropensityWeighted:
    """Points whose labels count by their inverse propensities, as in PSP: rare ones most.

    Attributes:
        points: the points to learn from.
        propensity_a: A of the inverse propensities (:func:`~xcgraph.metrics.functional.inverse_propensity`).
        propensity_b: B.
    """

    points: PointSelection
    propensity_a: float
    propensity_b: float

    def select(self, train: Split, label_texts: csr_array, graph: csr_array) -> Split:
        """Return the points, relevance times inverse propensity, of which the largest counts as 1."""
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
        """Return the anchors of the points to learn from."""
        return self.points.extend_anchors(anchor_sets)
