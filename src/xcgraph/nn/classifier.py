"""The shortlist classifier: one vector per label, scored by inner product for the labels asked for."""

import math
from typing import cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from xcgraph.batch import Shortlist
from xcgraph.nn.fusion import Fusion


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
        self, views: Float[Tensor, "labels views dim"], label_ids: Int[Tensor, "labels"] | None = None
    ) -> Float[Tensor, "labels dim"]:
        """Return w_l for the given labels, or for all, from their views."""
        fused = self.fusion(torch.cat([views, self.refinement(label_ids)], dim=1))
        return cast(Tensor, fused)

    def forward(
        self,
        points: Float[Tensor, "batch dim"],
        vectors: Float[Tensor, "labels dim"],
        shortlist: Shortlist | None = None,
    ) -> Float[Tensor, "batch width"]:
        """Score the shortlist of each point, or all labels, as logits; padding scores -inf.

        One dense product and a selection: as long as shortlists of a batch overlap, this is much faster
        than gathering a (batch, width, dim) block of label vectors.
        """
        if shortlist is None:
            return torch.addmm(self.bias, points, vectors.T)
        # b is added to what was asked for alone: on all distinct labels of a batch it would be another
        # matrix of that size.
        scores = (points @ vectors.T).gather(1, shortlist.positions.clamp(min=0)) + self.bias
        return scores.masked_fill(shortlist.positions < 0, -torch.inf)


def binary_loss(
    scores: Float[Tensor, "batch width"],
    positives: Int[Tensor, "positives 2"],
    num_points: int | None = None,
) -> Float[Tensor, ""]:
    """Binary cross-entropy summed over the labels of a point and averaged over points.

    Equal to ``binary_cross_entropy_with_logits`` against a dense 0/1 target, without making one. The public
    code averages over labels too; Adam sees no difference until gradients come near its epsilon, which
    those of rare labels would.

    Args:
        scores: logits; -inf is padding.
        positives: (row, column) of the true entries.
        num_points: over how many points the mean is taken; None for those scored here.
    """
    hits = scores[positives[:, 0], positives[:, 1]]
    return (functional.softplus(scores).sum() - hits.sum()) / (num_points or len(scores))
