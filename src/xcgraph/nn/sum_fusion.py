"""Fusion by addition."""

from jaxtyping import Float
from torch import Tensor

from xcgraph.nn.fusion import Fusion


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

    def forward(self, views: Float[Tensor, "labels views dim"]) -> Float[Tensor, "labels dim"]:
        """Return one vector per label."""
        return views.sum(dim=1)
