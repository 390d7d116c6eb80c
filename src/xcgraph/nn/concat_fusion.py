"""Fusion by a linear map of all views at once."""

import functools

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from xcgraph.nn.fusion import Fusion
from xcgraph.nn.views import Views


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
        self.dim = dim
        self.mix = nn.Linear(num_views * dim, dim, bias=False)
        with torch.no_grad():
            self.mix.weight.copy_(torch.eye(dim).repeat(1, num_views) / num_views)

    def forward(self, views: Views) -> Float[Tensor, "labels dim"]:
        """Return one vector per label."""
        matrices = self.mix.weight.split(self.dim, dim=1)
        products = (functional.linear(view, part) for view, part in zip(views, matrices, strict=True))
        return functools.reduce(torch.add, products)
