"""The portable form of what a model computes for points: plain arrays that are exported and served.

Encoders, likelihoods and tasks describe themselves in this form. ``xcgraph.predict`` knows only the form, so
a new part that has it can be exported and served.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit, softmax
from torch import Tensor, nn

from xcgraph.batch import TokenBag
from xcgraph.errors import UserError

Activation = Literal["identity", "relu", "unit_norm"]
Link = Literal["logistic", "softmax", "cosine"]
Vectors = NDArray[np.float32]

_CHECKED_TEXTS, _CHECKED_TOKENS = 16, 8
_TOLERANCE = 1e-4


@dataclass(frozen=True, kw_only=True)
class PointEncoder:
    """x̂ = act(keep ⊙ v + W · ReLU(v) + b) with v = E x, for the token weights x of a text.

    Attributes:
        embedding: (tokens, dim) E.
        keep: (dim,) share of each coordinate of v; None for 1.
        weight: (dim, dim) W; None for 0.
        bias: (dim,) b; None for 0.
        activation: act: ``identity``, ``relu``, or ``unit_norm``, which divides by the L2 norm.

    Raises:
        ValueError: a shape does not fit ``embedding``, or the activation is unknown.
    """

    embedding: Vectors
    keep: Vectors | None = None
    weight: Vectors | None = None
    bias: Vectors | None = None
    activation: Activation = "identity"

    def __post_init__(self) -> None:
        dim = self.embedding.shape[1]
        for name, expected in (("keep", (dim,)), ("weight", (dim, dim)), ("bias", (dim,))):
            part = getattr(self, name)
            if part is not None and part.shape != expected:
                raise ValueError(f"{name}: expected shape {expected}, found {part.shape}")
        if self.activation not in get_args(Activation):
            raise ValueError(
                f"activation: expected one of {', '.join(get_args(Activation))}, found {self.activation}"
            )

    @classmethod
    def from_tensors(
        cls,
        embedding: Tensor,
        *,
        keep: Tensor | None = None,
        weight: Tensor | None = None,
        bias: Tensor | None = None,
        activation: Activation = "identity",
    ) -> "PointEncoder":
        """Build the form from tensors on any device, such as the parameters of a module."""
        parts = {"keep": keep, "weight": weight, "bias": bias}
        arrays = {name: None if part is None else to_array(part) for name, part in parts.items()}
        return cls(embedding=to_array(embedding), **arrays, activation=activation)

    def at_unit_norm(self) -> "PointEncoder":
        """Return the encoder of vectors that are scaled to unit norm.

        Raises:
            ValueError: the encoder already has an activation.
        """
        if self.activation != "identity":
            raise ValueError(f"activation: expected identity before unit norm, found {self.activation}")
        return replace(self, activation="unit_norm")

    def finish(self, vectors: Vectors) -> Vectors:
        """Return (points, dim) x̂ from (points, dim) v = E x."""
        encoded = vectors if self.keep is None else self.keep * vectors
        if self.weight is not None:
            encoded = encoded + np.maximum(vectors, 0) @ self.weight.T
        if self.bias is not None:
            encoded = encoded + self.bias
        if self.activation == "relu":
            return np.maximum(encoded, 0)
        if self.activation == "unit_norm":
            norms = np.linalg.norm(encoded, axis=1, keepdims=True)
            units: Vectors = encoded / np.maximum(norms, np.float32(1e-12))
            return units
        return encoded


@dataclass(frozen=True, kw_only=True)
class LabelScorer:
    """Scores of labels, or of meta-labels, in [0, 1]: link(⟨w_l, x̂⟩ + b).

    Attributes:
        encoder: encodes the points as x̂.
        vectors: (labels, dim) w_l.
        bias: b, one number for all labels.
        link: key of :data:`LINKS`.

    Raises:
        ValueError: the vectors and the encoder differ in length.
    """

    encoder: PointEncoder
    vectors: Vectors
    bias: float
    link: Link

    def __post_init__(self) -> None:
        expected = (len(self.vectors), self.encoder.embedding.shape[1])
        if self.vectors.shape != expected:
            raise ValueError(f"vectors: expected shape {expected}, found {self.vectors.shape}")


def _logistic(products: Vectors, bias: float) -> Vectors:
    scores: Vectors = expit(products + np.float32(bias))
    return scores


def _softmax(products: Vectors, bias: float) -> Vectors:
    del bias  # it shifts all labels alike, which a softmax does not see
    scores: Vectors = softmax(products, axis=1)
    return scores


def _cosine(products: Vectors, bias: float) -> Vectors:
    cosines = (products + np.float32(bias)).clip(-1, 1)
    scores: Vectors = (cosines + np.float32(1)) / np.float32(2)
    return scores


# From the (points, k) inner products of the best labels, and the bias, to scores in [0, 1]: logistic is σ,
# softmax is taken over the k labels, and cosine is (1 + cosine) / 2.
LINKS: Mapping[Link, Callable[[Vectors, float], Vectors]] = MappingProxyType(
    {"logistic": _logistic, "softmax": _softmax, "cosine": _cosine}
)


def to_array(tensor: Tensor) -> Vectors:
    """Return a tensor as a contiguous float32 array on the CPU."""
    array: Vectors = tensor.detach().cpu().float().contiguous().numpy()
    return array


def no_portable_form(part: object, remedy: str) -> UserError:
    """Return the error for a part that cannot be exported.

    Args:
        part: the part.
        remedy: what the user can do about it.
    """
    return UserError(
        f"{type(part).__name__} has no portable form, so its model cannot be exported or served: {remedy}."
    )


def checked_encoder(
    form: PointEncoder, encode: Callable[[TokenBag], Tensor], part: nn.Module
) -> PointEncoder:
    """Return a portable form once it encodes a few random texts as the trained part does.

    A subclass may change what its base class computes and inherit the base's portable form. This check
    refuses it, instead of exporting a model that predicts something else.

    Args:
        form: the portable form of the part.
        encode: encodes texts with the part, without dropout.
        part: the encoder; its first parameter gives the device.

    Raises:
        UserError: the two differ.
    """
    rng = np.random.default_rng(0)
    tokens = rng.integers(0, len(form.embedding), (_CHECKED_TEXTS, _CHECKED_TOKENS))
    weights = rng.uniform(0.1, 1, tokens.shape).astype(np.float32)
    expected = form.finish(np.einsum("tkd,tk->td", form.embedding[tokens], weights))
    bag = TokenBag(
        torch.from_numpy(tokens.ravel()),
        torch.from_numpy(weights.ravel()),
        torch.arange(0, tokens.size + 1, _CHECKED_TOKENS),
    )
    with torch.no_grad(), _exact_products():
        found = to_array(encode(bag.to(next(part.parameters()).device)))
    if found.shape != expected.shape or not _agree(found, expected):
        raise no_portable_form(part, "its method portable describes another encoder than it computes")
    return form


def checked_link(link: Link | None, log_probability: Callable[[Tensor], Tensor], likelihood: object) -> Link:
    """Return the link of a likelihood once it gives the likelihood's probabilities for a few scores.

    Args:
        link: the link that the likelihood names.
        log_probability: the log-probabilities that the likelihood computes from scores.
        likelihood: the likelihood, which error messages name.

    Raises:
        UserError: the likelihood names no link, an unknown one, or one that gives other probabilities.
    """
    allowed = ", ".join(LINKS)
    if link is None or link not in LINKS:
        raise no_portable_form(
            likelihood, f"set its class attribute link to the one of {allowed} that gives its probabilities"
        )
    scores = np.random.default_rng(0).normal(0, 0.4, (4, 8)).astype(np.float32)
    found = to_array(log_probability(torch.from_numpy(scores)).exp())
    if not _agree(found, LINKS[link](scores, 0.0)):
        raise no_portable_form(
            likelihood, f"its link is {link}, but its log_probability gives other probabilities"
        )
    return link


def _agree(found: Vectors, expected: Vectors) -> bool:
    return bool(np.abs(found - expected).max() <= _TOLERANCE * max(1e-3, float(np.abs(expected).max())))


@contextlib.contextmanager
def _exact_products() -> Iterator[None]:
    """Multiply float32 matrices without shortening them: training may have allowed that."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
