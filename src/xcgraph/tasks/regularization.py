"""Builds regularizers from anchor sets."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from scipy.sparse import csr_array

from xcgraph.data.anchors import AnchorSet
from xcgraph.data.batching import label_sets, token_bag
from xcgraph.errors import UserError
from xcgraph.nn.contrast import ContrastLoss
from xcgraph.nn.edges import Edges
from xcgraph.nn.label_text import StoredTexts
from xcgraph.nn.pruning import Pruning
from xcgraph.nn.regularizer import GraphRegularizer, NoRegularizer, Regularizer
from xcgraph.nn.regularizer_weight import RegularizerWeight
from xcgraph.nn.triplet import TripletLoss
from xcgraph.tasks.regularized_task import RegularizedTask
from xcgraph.tasks.xc_task import XCTask

GRAPHS = ("points", "labels")


@runtime_checkable
class Regularization(Protocol):
    """Builds a regularizer once the anchors are known."""

    def build(self, anchor_sets: Sequence[AnchorSet]) -> Regularizer:
        """Build the regularizer."""

    def add_to(self, task: XCTask, anchor_sets: Sequence[AnchorSet], label_texts: csr_array) -> XCTask:
        """Return the task with the regularizer added to its loss."""


@dataclass(frozen=True)
class NoRegularization:
    """No regularizer (ablation)."""

    def build(self, anchor_sets: Sequence[AnchorSet]) -> Regularizer:  # noqa: ARG002
        """Build a regularizer that adds nothing."""
        return NoRegularizer()

    def add_to(self, task: XCTask, anchor_sets: Sequence[AnchorSet], label_texts: csr_array) -> XCTask:  # noqa: ARG002
        """Return the task unchanged."""
        return task


@dataclass(frozen=True, kw_only=True)
class GraphRegularization:
    """Pulls points and labels towards their anchors (RAMEN section 3).

    Attributes:
        graphs: which regularizers to use: ``points`` (R_x), ``labels`` (R_z), or both.
        triplets: the loss of a regularizer.
        regularizer_weight: makes the weights λ from the number of regularizers.
        pruning: when edges are pruned.
    """

    graphs: list[str]
    triplets: TripletLoss
    regularizer_weight: Callable[[int], RegularizerWeight]
    pruning: Pruning

    def __post_init__(self) -> None:
        if not self.graphs or not set(self.graphs) <= set(GRAPHS):
            raise UserError(f"regularizer.graphs: expected some of {', '.join(GRAPHS)}, got {self.graphs}.")
        self.regularizer_weight(1)

    def build(self, anchor_sets: Sequence[AnchorSet]) -> Regularizer:
        """Build Σ_t λ_x R^t_x + λ_z R^t_z over the anchor sets t.

        Raises:
            UserError: there are no anchors.
        """
        if not anchor_sets:
            raise UserError(
                "A graph regularizer needs anchors: choose some with anchors=…, or set regularizer=none."
            )
        of_points, of_labels = (
            [
                contrast(getattr(anchors, graph), anchors.features, self.triplets)
                for anchors in anchor_sets
                if graph in self.graphs
            ]
            for graph in GRAPHS
        )
        regularizer_weight = self.regularizer_weight(len(of_points) + len(of_labels))
        return GraphRegularizer(of_points, of_labels, regularizer_weight, self.pruning)

    def add_to(self, task: XCTask, anchor_sets: Sequence[AnchorSet], label_texts: csr_array) -> XCTask:
        """Return the task with the regularizer added to its loss."""
        return RegularizedTask(task, self.build(anchor_sets), StoredTexts(token_bag(label_texts)))


def contrast(links: csr_array, texts: csr_array, triplets: TripletLoss) -> ContrastLoss:
    """Build a term of the objective from (rows, columns) links and the (columns, tokens) texts."""
    edges = Edges(label_sets(links), torch.from_numpy(links.data > 0))
    return ContrastLoss(edges, StoredTexts(token_bag(texts)), triplets)
