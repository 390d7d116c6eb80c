"""Likelihoods: the loss that scores are trained with, and the probabilities that scores become."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from xcgraph.nn.portable import Link
from xcgraph.row_blocks import row_blocks


class Likelihood(ABC):
    """The probabilities of labels, given scores.

    Attributes:
        link: the portable function from scores to probabilities, a key of :data:`xcgraph.nn.portable.LINKS`:
            ``logistic`` for σ(s), ``softmax`` over the best labels of a point, ``cosine`` for (1 + s) / 2. It
            must agree with :meth:`log_probability`; an export checks that. None if none of them does: the
            model then trains and evaluates, but cannot be exported or served.
    """

    link: ClassVar[Link | None] = None

    @abstractmethod
    def loss(
        self,
        scores: Float[Tensor, "batch width"],
        positives: Int[Tensor, "positives 2"],
        relevance: Float[Tensor, "positives"] | None = None,
        weights: Float[Tensor, "width"] | None = None,
        *,
        num_points: int | None = None,
    ) -> Float[Tensor, ""]:
        """Return a negative log-likelihood, summed over the labels of a point and averaged over points.

        Args:
            scores: logits; -inf is padding.
            positives: (row, column) of the positive entries.
            relevance: weight of each positive entry, in (0, 1]; None for 1.
            weights: how many labels each column stands for, 1 where a point may be positive; None if each
                column stands for one label. If columns are a random sample of labels, these weights make
                sums over columns unbiased estimates of sums over all labels (D. G. Horvitz and D. J.
                Thompson, 1952).
            num_points: number of points that the mean is taken over; None for the number of rows.
        """

    @abstractmethod
    def log_probability(self, scores: Float[Tensor, "batch width"]) -> Float[Tensor, "batch width"]:
        """Return the log-probabilities of the scored labels; padding stays -inf."""


@dataclass(frozen=True)
class Logistic(Likelihood):
    """σ(s_l) for each label independently: binary cross-entropy over all scored labels (ECLARE, DECAF).

    Equal to ``binary_cross_entropy_with_logits`` against a dense target, but the target is never built. The
    public code averages over labels too. To Adam this makes a difference only when gradients come near its
    epsilon, which the gradients of rare labels would.
    """

    link: ClassVar[Link | None] = "logistic"

    def loss(
        self,
        scores: Float[Tensor, "batch width"],
        positives: Int[Tensor, "positives 2"],
        relevance: Float[Tensor, "positives"] | None = None,
        weights: Float[Tensor, "width"] | None = None,
        *,
        num_points: int | None = None,
    ) -> Float[Tensor, ""]:
        """Return Σ c_l softplus(s_l) − Σ r_l s_l per point, with the weights c."""
        loss: Tensor = _LogisticLoss.apply(scores, positives, relevance, weights, num_points or len(scores))
        return loss

    def log_probability(self, scores: Float[Tensor, "batch width"]) -> Float[Tensor, "batch width"]:
        """Return log σ(s)."""
        return functional.logsigmoid(scores)


@dataclass(frozen=True)
class Softmax(Likelihood):
    """exp(s_l) / Σ_k exp(s_k): all scored labels compete with each other.

    A point with several positive labels counts once for each of them. A label far below the positives has
    almost no gradient. Rare labels thus keep the vectors of their texts, whereas :class:`Logistic` pushes
    them down at every point.
    """

    link: ClassVar[Link | None] = "softmax"

    def loss(
        self,
        scores: Float[Tensor, "batch width"],
        positives: Int[Tensor, "positives 2"],
        relevance: Float[Tensor, "positives"] | None = None,
        weights: Float[Tensor, "width"] | None = None,
        *,
        num_points: int | None = None,
    ) -> Float[Tensor, ""]:
        """Return Σ r_l (log Σ_k c_k exp(s_k) − s_l) per point, with the weights c."""
        weighted = scores if weights is None else scores + weights.log()
        loss: Tensor = _SoftmaxLoss.apply(weighted, positives, relevance, num_points or len(scores))
        return loss

    def log_probability(self, scores: Float[Tensor, "batch width"]) -> Float[Tensor, "batch width"]:
        """Return log-probabilities that sum to one over the scored labels of a point."""
        return functional.log_softmax(scores, dim=1)


# The scores of all labels take hundreds of MB per batch. Each loss reads them once forward and once backward.


class _LogisticLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401 - torch's
        scores: Tensor,
        positives: Tensor,
        relevance: Tensor | None,
        weights: Tensor | None,
        num_points: int,
    ) -> Tensor:
        weights = None if weights is None else weights.to(scores.dtype)
        ctx.num_points = num_points
        ctx.save_for_backward(scores, positives, relevance, weights)
        sums = (
            _times(functional.softplus(scores[rows]), weights).sum()
            for rows in row_blocks(len(scores), scores.shape[1], scores)
        )
        total = sum(sums, start=scores.new_zeros(()))
        return (total - _sum_positives(scores, positives, relevance)) / num_points

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401 - torch's
        scores, positives, relevance, weights = ctx.saved_tensors
        of_scores, factor = torch.empty_like(scores), (gradient / ctx.num_points).to(scores.dtype)
        for rows in row_blocks(len(scores), scores.shape[1], scores):
            _times(torch.sigmoid(scores[rows], out=of_scores[rows]), weights).mul_(factor)
        _subtract_positives(of_scores, positives, relevance, factor)
        return of_scores, None, None, None, None


class _SoftmaxLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401 - torch's
        scores: Tensor,
        positives: Tensor,
        relevance: Tensor | None,
        num_points: int,
    ) -> Tensor:
        ctx.num_points = num_points
        totals = scores.new_empty(len(scores))
        for rows in row_blocks(len(scores), scores.shape[1], scores):
            torch.logsumexp(scores[rows], 1, out=totals[rows])
        ctx.save_for_backward(scores, positives, relevance, totals)
        of_positives = totals[positives[:, 0]]
        weighted = of_positives if relevance is None else of_positives * relevance
        return (weighted.sum() - _sum_positives(scores, positives, relevance)) / num_points

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401 - torch's
        scores, positives, relevance, totals = ctx.saved_tensors
        of_scores, factor = torch.empty_like(scores), (gradient / ctx.num_points).to(scores.dtype)
        ones = scores.new_ones(len(positives))
        mass = scores.new_zeros(len(scores)).index_add_(
            0, positives[:, 0], ones if relevance is None else relevance.to(scores.dtype)
        )
        shift = totals.masked_fill(totals == -torch.inf, 0)  # -inf: all labels of the point are padding
        for rows in row_blocks(len(scores), scores.shape[1], scores):
            torch.sub(scores[rows], shift[rows, None], out=of_scores[rows]).exp_().mul_(
                (mass[rows] * factor)[:, None]
            )
        _subtract_positives(of_scores, positives, relevance, factor)
        return of_scores, None, None, None


def _times(values: Tensor, weights: Tensor | None) -> Tensor:
    """Multiply columns in place by weights, if there are any."""
    return values if weights is None else values.mul_(weights)


def _sum_positives(scores: Tensor, positives: Tensor, relevance: Tensor | None) -> Tensor:
    hits = scores[positives[:, 0], positives[:, 1]]
    return hits.sum() if relevance is None else (hits * relevance).sum()


def _subtract_positives(
    of_scores: Tensor, positives: Tensor, relevance: Tensor | None, factor: Tensor
) -> None:
    """Subtract the gradient of the positives' own scores, −Σ r_l s_l, in place."""
    weights = factor if relevance is None else factor * relevance.to(of_scores.dtype)
    of_scores.index_put_((positives[:, 0], positives[:, 1]), -weights, accumulate=True)
