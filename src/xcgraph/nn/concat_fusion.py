"""Fusion by a linear map of all views at once."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from xcgraph.nn.fusion import Fusion


class ConcatFusion(Fusion):
    """w_l = W · [ẑ¹; ẑ²; …] with W that starts as [I, I, …] / views, the mean.

    The only fusion that mixes coordinates; it has dim² · views parameters, which all labels share. A random
    W would take label texts out of the space of the points, where they already help.

    Args:
        dim: length of the vectors.
        num_views: how many views a label has.
    """

    def __init__(self, dim: int, num_views: int) -> None:
        super().__init__()
        self.mix = nn.Linear(num_views * dim, dim, bias=False)
        with torch.no_grad():
            self.mix.weight.copy_(torch.eye(dim).repeat(1, num_views) / num_views)

    def forward(self, views: Float[Tensor, "labels views dim"]) -> Float[Tensor, "labels dim"]:
        """Return one vector per label."""
        fused: Tensor = self.mix(views.flatten(1))
        return fused
