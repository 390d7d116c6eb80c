"""Fusions: combine the views of a label into its classifier vector w_l."""

import functools
from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from xcgraph.nn.attention import attend
from xcgraph.nn.blocks import SpectralLinear, checked_dropout, normalized
from xcgraph.nn.label_graph import Views


class Fusion(nn.Module, ABC):
    """Combine a label's views; a subclass takes ``dim`` and ``num_views`` as its first arguments."""

    @abstractmethod
    def forward(self, views: Views) -> Float[Tensor, "labels dim"]:
        """Return one vector per label."""

    def weights(self, views: Views) -> Float[Tensor, "labels views"] | None:  # noqa: ARG002
        """Return the share of each view in each label's vector, or None if it is the same for all labels.

        Reports and explanations show these shares. The shares of a label sum to 1.
        """
        return None


class AttentionFusion(Fusion):
    """w_l = Σ_i a_l^i ẑ^i, a_l = softmax(SN(W₂) vec_i[SN(W₁) dropout(ReLU(ẑ^i)) + b₁]) (ECLARE section 3).

    Each label has weights of its own for its text, its neighbours and its free vector: a rare label relies
    on text and graph, a frequent one on its free vector. :class:`MeanFusion` has equal weights instead.

    Args:
        dim: length of the vectors.
        num_views: number of views of a label.
        dropout: probability of dropout before W₁.
    """

    def __init__(self, dim: int, num_views: int, *, dropout: float = 0.2) -> None:
        super().__init__()
        self.dropout = nn.Dropout(checked_dropout(dropout))
        hidden, score = SpectralLinear(dim, dim), SpectralLinear(num_views * dim, num_views, bias=False)
        nn.init.xavier_uniform_(hidden.weight)
        nn.init.zeros_(hidden.bias)
        nn.init.xavier_uniform_(score.weight)
        self.hidden, self.score = normalized(hidden), normalized(score)

    def weights(self, views: Views) -> Float[Tensor, "labels views"]:
        """Return the share of each view in each label's vector; a row sums to 1."""
        return self._attend(views)[1]

    def forward(self, views: Views) -> Float[Tensor, "labels dim"]:
        """Return one vector per label."""
        return self._attend(views)[0]

    def _attend(self, views: Views) -> tuple[Float[Tensor, "labels dim"], Float[Tensor, "labels views"]]:
        # Nothing nonlinear lies between W₁ and W₂, so their small product is applied to the views. W₁ alone,
        # applied to every view of every label, costs as much as the rest of a step.
        first, second = self.hidden.weight, self.score.weight
        by_view = second.reshape(len(second), -1, first.shape[1])
        both, bias = by_view @ first, (by_view @ self.hidden.bias).sum(dim=1)
        return attend(views, both, bias, dropout=self.dropout.p if self.training else 0.0)


class MeanFusion(Fusion):
    """w_l = mean of the views: the simplest fusion of all views, and the baseline for the others.

    Args:
        dim: length of the vectors. All fusions take it; the mean does not use it.
        num_views: number of views of a label; not used either.
    """

    def __init__(self, dim: int, num_views: int) -> None:
        super().__init__()
        self.dim, self.num_views = dim, num_views

    def forward(self, views: Views) -> Float[Tensor, "labels dim"]:
        """Return one vector per label."""
        return functools.reduce(torch.add, views) / len(views)


class OnlyView(Fusion):
    """w_l = the label's only view, for labels that have a single one."""

    def forward(self, views: Views) -> Float[Tensor, "labels dim"]:
        """Return one vector per label."""
        return views[0]


class SumFusion(Fusion):
    """w_l = Σ_i ẑ^i: :class:`~xcgraph.nn.fusion.MeanFusion` times the number of views.

    It has no parameters. Its vectors are longer than the mean, which makes scores and gradient steps larger
    from the start.

    Args:
        dim: length of the vectors. All fusions take it; the sum does not use it.
        num_views: number of views of a label; not used either.
    """

    def __init__(self, dim: int, num_views: int) -> None:
        super().__init__()
        self.dim, self.num_views = dim, num_views

    def forward(self, views: Views) -> Float[Tensor, "labels dim"]:
        """Return one vector per label."""
        return functools.reduce(torch.add, views)


class GatedFusion(Fusion):
    """w_l = Σ_i σ(α^i) ⊙ ẑ^i, one gate per view and coordinate (DECAF section 3).

    DECAF has two views; this fusion takes any number. Unlike in :class:`AttentionFusion`, all labels share
    the gates, and each coordinate has its own. The gates need not sum to 1. All α start at 0, so every gate
    starts at ½.

    Args:
        dim: length of the vectors.
        num_views: number of views of a label.
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


class ConcatFusion(Fusion):
    """w_l = W · [ẑ¹; ẑ²; …], where W starts as [I, I, …] / views, the mean.

    This is the only fusion that mixes coordinates. All labels share its dim² · views parameters. A random W
    would move label texts out of the space of the points, where they are useful from the start.

    Args:
        dim: length of the vectors.
        num_views: number of views of a label.
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
