"""The shortlist classifier: one vector per label, scored by inner product for the labels asked for."""

import math
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from xcgraph.batch import Shortlist
from xcgraph.nn.fusion import Fusion
from xcgraph.nn.label_graph import Views
from xcgraph.nn.sampled_product import sampled_product


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

    def vectors(self, views: Views, refined: Views) -> Float[Tensor, "labels dim"]:
        """Return w_l from the views of labels and what :attr:`refinement` gives for the same labels."""
        return cast(Tensor, self.fusion((*views, *refined)))

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
