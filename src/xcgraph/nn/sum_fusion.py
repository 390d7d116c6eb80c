"""Fusion by addition."""

import functools

import torch
from jaxtyping import Float
from torch import Tensor

from xcgraph.nn.fusion import Fusion
from xcgraph.nn.views import Views


class SumFusion(Fusion):
    """w_l = Σ_i ẑ^i: :class:`~xcgraph.nn.fusion.MeanFusion` times the number of views.

    Nothing is learned; longer vectors make larger scores, and so larger steps, from the start.

    Args:
        dim: length of the vectors; the sum needs none, all fusions take it.
        num_views: how many views a label has; likewise.
    """

    def __init__(self, dim: int, num_views: int) -> None:
        super().__init__()
        self.dim, self.num_views = dim, num_views

    def forward(self, views: Views) -> Float[Tensor, "labels dim"]:
        """Return one vector per label."""
        return functools.reduce(torch.add, views)
