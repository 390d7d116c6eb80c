"""RAMEN's graph regularizers: points and labels are drawn to their anchors while the encoder learns."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from xcgraph.nn.contrast import ContrastLoss, EncodedRows
from xcgraph.nn.dual_encoder import DualEncoder
from xcgraph.nn.pruning import Pruning
from xcgraph.nn.regularizer_weight import RegularizerWeight

_log = logging.getLogger(__name__)


class Regularizer(nn.Module, ABC):
    """What is added to the loss of a batch."""

    @abstractmethod
    def forward(self, encoder: DualEncoder, points: EncodedRows, labels: EncodedRows) -> Float[Tensor, ""]:
        """Return the penalty for the points and labels of a batch."""

    @abstractmethod
    def update(self, precision: Callable[[], Float[Tensor, ""]]) -> None:
        """Learn how the step went: P@1 within its batch."""

    @abstractmethod
    def start_epoch(
        self,
        epoch: int,
        encoder: DualEncoder,
        points: Callable[[], Iterable[EncodedRows]],
        labels: Callable[[], Iterable[EncodedRows]],
    ) -> None:
        """Look at the encoder before an epoch; points and labels give all of them, in blocks that ascend."""


class NoRegularizer(Regularizer):
    """Nothing is added: a plain dual encoder (ablation)."""

    def forward(self, encoder: DualEncoder, points: EncodedRows, labels: EncodedRows) -> Float[Tensor, ""]:  # noqa: ARG002
        """Return 0."""
        return points.vectors.new_zeros(())

    def update(self, precision: Callable[[], Float[Tensor, ""]]) -> None:
        """Learn nothing."""

    def start_epoch(
        self,
        epoch: int,
        encoder: DualEncoder,
        points: Callable[[], Iterable[EncodedRows]],
        labels: Callable[[], Iterable[EncodedRows]],
    ) -> None:
        """Do nothing."""


class GraphRegularizer(Regularizer):
    """Σ_t λ_x R^t_x + λ_z R^t_z over the anchor sets t (RAMEN section 3).

    Args:
        of_points: R_x of each anchor set.
        of_labels: R_z of each anchor set.
        regularizer_weight: the λ of those of points and then of those of labels.
        pruning: when edges are pruned.
    """

    def __init__(
        self,
        of_points: Sequence[ContrastLoss],
        of_labels: Sequence[ContrastLoss],
        regularizer_weight: RegularizerWeight,
        pruning: Pruning,
    ) -> None:
        super().__init__()
        self.of_points = nn.ModuleList(of_points)
        self.of_labels = nn.ModuleList(of_labels)
        self.regularizer_weight = regularizer_weight
        self.pruning = pruning

    def forward(self, encoder: DualEncoder, points: EncodedRows, labels: EncodedRows) -> Float[Tensor, ""]:
        """Return Σ λ R for the points and labels of a batch."""
        terms = [term(encoder, points).loss for term in self.of_points]
        terms += [term(encoder, labels).loss for term in self.of_labels]
        weights: Tensor = self.regularizer_weight()
        return weights @ torch.stack(terms)

    def update(self, precision: Callable[[], Float[Tensor, ""]]) -> None:
        """Learn λ."""
        self.regularizer_weight.update(precision)

    @torch.no_grad()
    def start_epoch(
        self,
        epoch: int,
        encoder: DualEncoder,
        points: Callable[[], Iterable[EncodedRows]],
        labels: Callable[[], Iterable[EncodedRows]],
    ) -> None:
        """Prune edges, where the schedule says so."""
        threshold = self.pruning.threshold(epoch)
        if threshold is None:
            return
        for rows, terms in ((points, self.of_points), (labels, self.of_labels)):
            for term in terms:
                _prune(cast(ContrastLoss, term), encoder, rows(), threshold)


def _prune(term: ContrastLoss, encoder: DualEncoder, rows: Iterable[EncodedRows], threshold: float) -> None:
    anchors = encoder.in_blocks(term.texts())
    similarities = [term.edges.similarity(block.rows, block.vectors, anchors) for block in rows]
    term.edges.keep(torch.cat(similarities) > threshold)
    total = int(term.edges.drawable.sum())
    _log.info(
        "Pruning keeps %d of %d edges between %d rows and their anchors.",
        term.edges.num_drawable,
        total,
        len(term.edges),
    )
