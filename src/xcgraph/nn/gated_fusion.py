"""Fusion by gates that all labels share."""

import functools

import torch
from jaxtyping import Float
from torch import Tensor, nn

from xcgraph.nn.fusion import Fusion
from xcgraph.nn.views import Views


class GatedFusion(Fusion):
    """w_l = Σ_i σ(α^i) ⊙ ẑ^i, a number per view and coordinate (DECAF section 3, for any number of views).

    Unlike :class:`~xcgraph.nn.fusion.AttentionFusion`, all labels weigh their views alike, but each
    coordinate for itself; the weights need not sum to 1. All α start at 0: every view counts half.

    Args:
        dim: length of the vectors.
        num_views: how many views a label has.
    """

    def __init__(self, dim: int, num_views: int) -> None:
        super().__init__()
        self.gates = nn.Parameter(torch.zeros(num_views, dim))

    def forward(self, views: Views) -> Float[Tensor, "labels dim"]:
        """Return one vector per label."""
        gates = self.gates.sigmoid()
        weighted = (gate * view for gate, view in zip(gates, views, strict=True))
        fused: Tensor = functools.reduce(torch.add, weighted)
        return fused
