"""Residual blocks: every view of a label, and the vector of a point, passes through one."""

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
    """The function of a trained residual block, without dropout: v ↦ keep ⊙ v + weight · ReLU(v) + bias.

    Attributes:
        keep: share of each coordinate of v that passes; None for 1.
        weight: matrix of the residual, with its normalisation, scale and gate; None for 0.
        bias: bias of the residual; None for 0.
    """

    keep: Float[Tensor, "dim"] | None = None
    weight: Float[Tensor, "dim dim"] | None = None
    bias: Float[Tensor, "dim"] | None = None


@runtime_checkable
class Foldable(Protocol):
    """A block with a closed form, which a model needs to be exported."""

    def folded(self) -> FoldedBlock:
        """Return the function of the block without dropout."""


class ResidualBlock(nn.Module):
    """E(v) = v + k · (SN(W) · dropout(ReLU(v)) + b) (ECLARE section 3, as in the newest public code).

    SN is spectral normalisation with one power iteration per step. W starts as the identity, b as 0 and the
    learned scale k as 1: a fresh block already passes its input on. :class:`GatedResidualBlock` has a weight
    per coordinate for each of the two terms instead.

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
        # Scaling the (dim, dim) weights saves one pass over all vectors, forward and backward.
        weight, bias = self.scale * self.linear.weight, self.scale * self.linear.bias
        residual = functional.linear(self.dropout(vectors.relu()), weight, bias)
        # In place, because the gradient of the product does not need its result. Under autocast the residual
        # has a shorter type than the vectors.
        return residual.to(vectors.dtype).add_(vectors)

    @torch.no_grad()
    def folded(self) -> FoldedBlock:
        """Return the function of the block without dropout."""
        return FoldedBlock(
            weight=self.scale * self.linear.weight,
            bias=self.scale * self.linear.bias,
        )


class GatedResidualBlock(nn.Module):
    """E(v) = σ(α) ⊙ v + σ(β) ⊙ SN(R) · dropout(ReLU(v)) (DECAF section 3).

    α and β hold one number per coordinate and start at 0, so both terms start with weight ½. R starts as the
    identity. SN comes from the public code. :class:`ResidualBlock` is ECLARE's successor to this block.

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
        """Return the function of the block without dropout."""
        return FoldedBlock(
            keep=self.keep.sigmoid(),
            weight=self.gate.sigmoid()[:, None] * self.linear.weight,
        )


class NoBlock(nn.Module):
    """E(v) = v: a view has no parameters of its own.

    Args:
        dim: length of the vectors. All blocks take it; this one does not use it.
        dropout: probability of dropout; not used either.
    """

    def __init__(self, dim: int, dropout: float) -> None:
        super().__init__()
        self.dim, self.dropout = dim, dropout

    def forward(self, vectors: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch dim"]:
        """Return the vectors unchanged."""
        return vectors

    def folded(self) -> FoldedBlock:
        """Return the identity."""
        return FoldedBlock()


class SpectralLinear(nn.Linear):
    """A linear layer that can be pickled after ``spectral_norm``; torch's own layers cannot.

    Training on several devices sends the whole model to other processes.
    """

    def __reduce__(self) -> tuple[Callable[..., nn.Module], tuple[Any, ...]]:
        """Return the call that builds an equal layer."""
        sizes = (self.in_features, self.out_features, self.bias is not None)
        return _restored, (*sizes, self.state_dict(), self.training)


def normalized(linear: SpectralLinear) -> SpectralLinear:
    """Normalise a layer's weight to spectral norm 1; in training, each read takes a power iteration."""
    spectral_norm(linear)
    return linear


def _restored(
    in_features: int, out_features: int, bias: bool, state: dict[str, Tensor], training: bool
) -> nn.Module:
    linear = normalized(SpectralLinear(in_features, out_features, bias=bias))
    linear.load_state_dict(state)
    return linear.train(training)


def checked_dropout(probability: float) -> float:
    """Return a dropout probability after checking it.

    Raises:
        UserError: ``probability`` lies outside [0, 1).
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
