"""The residual blocks that every view of a point or label passes through."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

from xcgraph.errors import UserError


@dataclass(frozen=True)
class FoldedBlock:
    """What a trained residual block computes: v ↦ keep ⊙ v + weight · ReLU(v) + bias.

    Attributes:
        keep: of each coordinate, the share that passes.
        weight: of the residual, its normalisation, scale and gate included.
        bias: of the residual.
    """

    keep: Float[Tensor, "dim"]
    weight: Float[Tensor, "dim dim"]
    bias: Float[Tensor, "dim"]


@runtime_checkable
class Foldable(Protocol):
    """A block that can say in three tensors what it computes without dropout."""

    def folded(self) -> FoldedBlock:
        """Return them."""


class ResidualBlock(nn.Module):
    """E(v) = v + k · (SN(W) · dropout(ReLU(v)) + b) (ECLARE section 3, as the newest public code has it).

    SN is spectral normalisation (one power iteration per step), W starts as the identity, b as 0 and the
    learned scale k as 1, so that a fresh block already passes its input on. :class:`GatedResidualBlock`
    weighs the two terms per coordinate instead.

    Args:
        dim: length of the vectors.
        dropout: probability that a coordinate is dropped before W.
    """

    def __init__(self, dim: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(checked_dropout(dropout))
        self.linear = normalized(_identity_linear(dim, bias=True))
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, vectors: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch dim"]:
        """Transform each vector."""
        # k goes to the (dim, dim) weights, not to the result: one pass less over all vectors, and back.
        weight, bias = self.scale * self.linear.weight, self.scale * self.linear.bias
        residual = functional.linear(self.dropout(vectors.relu()), weight, bias)
        # In place, for its gradient needs no product's result; autocast's are of a shorter kind than vectors.
        return residual.to(vectors.dtype).add_(vectors)

    @torch.no_grad()
    def folded(self) -> FoldedBlock:
        """Return what the block computes without dropout."""
        weight, bias = self.scale * self.linear.weight, self.scale * self.linear.bias
        return FoldedBlock(torch.ones_like(bias), weight, bias)


class GatedResidualBlock(nn.Module):
    """E(v) = σ(α) ⊙ v + σ(β) ⊙ SN(R) · dropout(ReLU(v)) (DECAF section 3).

    α and β hold a number per coordinate and start at 0, so that both terms count half; R starts as the
    identity. SN is that of the public code; :class:`ResidualBlock` is ECLARE's successor to this block.

    Args:
        dim: length of the vectors.
        dropout: probability that a coordinate is dropped before R.
    """

    def __init__(self, dim: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(checked_dropout(dropout))
        self.linear = normalized(_identity_linear(dim, bias=False))
        self.keep = nn.Parameter(torch.zeros(dim))
        self.gate = nn.Parameter(torch.zeros(dim))

    def forward(self, vectors: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch dim"]:
        """Transform each vector."""
        residual: Tensor = self.linear(self.dropout(vectors.relu()))
        return self.keep.sigmoid() * vectors + self.gate.sigmoid() * residual

    @torch.no_grad()
    def folded(self) -> FoldedBlock:
        """Return what the block computes without dropout."""
        weight = self.gate.sigmoid()[:, None] * self.linear.weight
        return FoldedBlock(self.keep.sigmoid(), weight, torch.zeros_like(self.keep))


class NoBlock(nn.Module):
    """E(v) = v: nothing is learned for a view by itself.

    Args:
        dim: length of the vectors; it needs none, all blocks take it.
        dropout: likewise.
    """

    def __init__(self, dim: int, dropout: float) -> None:
        super().__init__()
        self.dim, self.dropout = dim, dropout

    def forward(self, vectors: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch dim"]:
        """Return the vectors."""
        return vectors


class SpectralLinear(nn.Linear):
    """A linear layer for ``spectral_norm`` that can be pickled with it, as other layers cannot.

    Training on several devices sends the whole model to other processes.
    """

    def __reduce__(self) -> tuple[Callable[..., nn.Module], tuple[Any, ...]]:
        """Say how to build it anew."""
        sizes = (self.in_features, self.out_features, self.bias is not None)
        return _restored, (*sizes, self.state_dict(), self.training)


def normalized(linear: SpectralLinear) -> SpectralLinear:
    """Give a layer's weight a spectral norm of one; each reading in training is a power iteration."""
    spectral_norm(linear)
    return linear


def _restored(
    in_features: int, out_features: int, bias: bool, state: dict[str, Tensor], training: bool
) -> nn.Module:
    linear = normalized(SpectralLinear(in_features, out_features, bias=bias))
    linear.load_state_dict(state)
    return linear.train(training)


def checked_dropout(probability: float) -> float:
    """Return ``probability`` if it is one that dropout can take.

    Raises:
        UserError: it lies outside [0, 1).
    """
    if not 0 <= probability < 1:
        raise UserError(f"A dropout probability must lie in [0, 1), got {probability}.")
    return probability


def _identity_linear(dim: int, *, bias: bool) -> SpectralLinear:
    linear = SpectralLinear(dim, dim, bias=bias)
    nn.init.eye_(linear.weight)
    if bias:
        nn.init.zeros_(linear.bias)
    return linear
