"""RAMEN's graph regularizers, which pull points and labels towards their anchors in training."""

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
    """A penalty that is added to the loss of a batch."""

    @abstractmethod
    def forward(self, encoder: DualEncoder, points: EncodedRows, labels: EncodedRows) -> Float[Tensor, ""]:
        """Return the penalty of the points and labels of a batch."""

    @abstractmethod
    def update(self, precision: Callable[[], Float[Tensor, ""]]) -> None:
        """Update the regularizer after a step, from the P@1 within its batch."""

    @abstractmethod
    def start_epoch(
        self,
        epoch: int,
        encoder: DualEncoder,
        points: Callable[[], Iterable[EncodedRows]],
        labels: Callable[[], Iterable[EncodedRows]],
    ) -> None:
        """Prepare an epoch.

        Args:
            epoch: number of the epoch, from 0.
            encoder: the encoder in eval mode.
            points: gives all training points in ascending blocks.
            labels: gives all labels in ascending blocks.
        """


class NoRegularizer(Regularizer):
    """Adds nothing: a plain dual encoder (ablation)."""

    def forward(self, encoder: DualEncoder, points: EncodedRows, labels: EncodedRows) -> Float[Tensor, ""]:  # noqa: ARG002
        """Return 0."""
        return points.vectors.new_zeros(())

    def update(self, precision: Callable[[], Float[Tensor, ""]]) -> None:
        """Do nothing."""

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
        regularizer_weight: gives λ for each of ``of_points``, then for each of ``of_labels``.
        pruning: decides when edges are pruned.
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
        """Return Σ λ R of the points and labels of a batch."""
        terms = [term(encoder, points).loss for term in self.of_points]
        terms += [term(encoder, labels).loss for term in self.of_labels]
        weights: Tensor = self.regularizer_weight()
        return weights @ torch.stack(terms)

    def update(self, precision: Callable[[], Float[Tensor, ""]]) -> None:
        """Update the weights λ."""
        self.regularizer_weight.update(precision)

    @torch.no_grad()
    def start_epoch(
        self,
        epoch: int,
        encoder: DualEncoder,
        points: Callable[[], Iterable[EncodedRows]],
        labels: Callable[[], Iterable[EncodedRows]],
    ) -> None:
        """Prune edges in the epochs of the schedule."""
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
