"""The shortlist classifier: one vector per label, scored by inner product for the labels asked for."""

import math
from typing import Any, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from xcgraph.batch import Shortlist
from xcgraph.nn.fusion import Fusion
from xcgraph.nn.sampled_product import sampled_product
from xcgraph.nn.views import Views
from xcgraph.row_blocks import row_blocks


class LabelClassifier(nn.Module):
    """s_l = ⟨w_l, x̂⟩ + b with w_l fused from the views of the label-graph layer and a refinement vector.

    The bias b is one number for all labels. ECLARE's paper has none; its first public code had one per label.
    Without it the first steps, in which every score must fall, turn all points towards one direction, and
    the spectrally normalised blocks do not recover from that.

    Args:
        fusion: combines the views.
        refinement: further views, learned freely; :class:`~xcgraph.nn.refinement.NoRefinement` for none.
        positive_rate: share of scored (point, label) pairs that are true, in (0, 1); b starts at its
            log-odds.

    Raises:
        ValueError: the rate lies outside (0, 1).
    """

    def __init__(self, fusion: Fusion, refinement: nn.Module, *, positive_rate: float) -> None:
        super().__init__()
        if not 0 < positive_rate < 1:
            raise ValueError(f"positive_rate must lie in (0, 1), got {positive_rate}.")
        self.fusion = fusion
        self.refinement = refinement
        self.bias = nn.Parameter(torch.tensor(math.log(positive_rate / (1 - positive_rate))))

    def vectors(
        self, views: Views, label_ids: Int[Tensor, "labels"] | None = None
    ) -> Float[Tensor, "labels dim"]:
        """Return w_l for the given labels, or for all, from their views."""
        fused = self.fusion((*views, *self.refinement(label_ids)))
        return cast(Tensor, fused)

    def forward(
        self,
        points: Float[Tensor, "batch dim"],
        vectors: Float[Tensor, "labels dim"],
        shortlist: Shortlist | None = None,
    ) -> Float[Tensor, "batch width"]:
        """Score the shortlist of each point, or all labels, as logits; padding scores -inf."""
        if shortlist is None:
            return torch.addmm(self.bias, points, vectors.T)
        scores = sampled_product(points, vectors, shortlist.positions.clamp(min=0)) + self.bias
        return scores.masked_fill(shortlist.positions < 0, -torch.inf)


def binary_loss(
    scores: Float[Tensor, "batch width"], positives: Int[Tensor, "positives 2"]
) -> Float[Tensor, ""]:
    """Binary cross-entropy summed over the labels of a point and averaged over points.

    Equal to ``binary_cross_entropy_with_logits`` against a dense 0/1 target, without making one. The public
    code averages over labels too; Adam sees no difference until gradients come near its epsilon, which
    those of rare labels would.

    Args:
        scores: logits; -inf is padding.
        positives: (row, column) of the true entries.
    """
    loss: Tensor = _BinaryLoss.apply(scores, positives)
    return loss


class _BinaryLoss(torch.autograd.Function):
    """One pass over the scores, and one back, of which all meta-labels of a batch have hundreds of MB."""

    @staticmethod
    def forward(ctx: Any, scores: Tensor, positives: Tensor) -> Tensor:  # noqa: ANN401 - torch's
        ctx.save_for_backward(scores, positives)
        sums = (
            functional.softplus(scores[rows]).sum()
            for rows in row_blocks(len(scores), scores.shape[1], scores)
        )
        total = sum(sums, start=scores.new_zeros(()))
        return (total - scores[positives[:, 0], positives[:, 1]].sum()) / len(scores)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:  # noqa: ANN401 - torch's
        scores, positives = ctx.saved_tensors
        of_scores, factor = torch.empty_like(scores), (gradient / len(scores)).to(scores.dtype)
        for rows in row_blocks(len(scores), scores.shape[1], scores):
            torch.sigmoid(scores[rows], out=of_scores[rows]).mul_(factor)
        of_scores.index_put_((positives[:, 0], positives[:, 1]), -factor, accumulate=True)
        return of_scores, None
