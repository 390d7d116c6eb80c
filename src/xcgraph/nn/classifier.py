"""The shortlist classifier: one vector per label, scored by inner product for the labels asked for."""

from typing import cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from xcgraph.batch import Shortlist
from xcgraph.nn.fusion import Fusion


class LabelClassifier(nn.Module):
    """s_l = ⟨w_l, x̂⟩ with w_l fused from the views of the label-graph layer and a refinement vector.

    Args:
        fusion: combines the views.
        refinement: further views, learned freely; :class:`~xcgraph.nn.refinement.NoRefinement` for none.
    """

    def __init__(self, fusion: Fusion, refinement: nn.Module) -> None:
        super().__init__()
        self.fusion = fusion
        self.refinement = refinement

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
        """Score the shortlist of each point, or all labels; padding scores -inf.

        One dense product and a selection: as long as shortlists of a batch overlap, this is much faster
        than gathering a (batch, width, dim) block of label vectors.
        """
        scores = points @ vectors.T
        if shortlist is None:
            return scores
        padding = shortlist.positions < 0
        return scores.gather(1, shortlist.positions.clamp(min=0)).masked_fill(padding, -torch.inf)


def binary_loss(
    scores: Float[Tensor, "batch width"], positives: Int[Tensor, "positives 2"]
) -> Float[Tensor, ""]:
    """Binary cross-entropy of every (point, label) score, averaged over all of them, padding counted.

    Equal to ``binary_cross_entropy_with_logits`` against a dense 0/1 target, without making one.

    Args:
        scores: logits; -inf is padding.
        positives: (row, column) of the true entries.
    """
    hits = scores[positives[:, 0], positives[:, 1]]
    return (functional.softplus(scores).sum() - hits.sum()) / scores.numel()
