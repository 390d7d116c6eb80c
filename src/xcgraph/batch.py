"""What a step of training or prediction sees: frozen dataclasses that Lightning moves between devices."""

from dataclasses import dataclass, fields
from typing import TypeVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

AnyMovable = TypeVar("AnyMovable", bound="Movable")


class Movable:
    """A dataclass of tensors (or of other movables) with ``to``, which is all that Lightning asks for."""

    def to(self: AnyMovable, device: torch.device | str, *, non_blocking: bool = False) -> AnyMovable:
        """Return a copy on ``device``; parts that are None stay None."""
        parts = {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]
        moved = {
            name: part if part is None else part.to(device, non_blocking=non_blocking)
            for name, part in parts.items()
        }
        return type(self)(**moved)


@dataclass(frozen=True)
class TokenBag(Movable):
    """Token weights of a batch of texts, as ``EmbeddingBag`` takes them with its last offset included."""

    tokens: Int[Tensor, "nnz"]
    weights: Float[Tensor, "nnz"]
    offsets: Int[Tensor, "batch_plus_one"]

    def rows(self, ids: Int[Tensor, "rows"]) -> "TokenBag":
        """Return the bags of the given texts, in that order."""
        lengths = self.offsets.diff()[ids]
        offsets = torch.cat([lengths.new_zeros(1), lengths.cumsum(0)])
        # Entry n of the result lies as far behind its row's start here as there.
        shift = (self.offsets[ids] - offsets[:-1]).repeat_interleave(lengths)
        entries = torch.arange(len(shift), device=shift.device) + shift
        return TokenBag(self.tokens[entries], self.weights[entries], offsets)


@dataclass(frozen=True)
class LabelSets(Movable):
    """A set of label ids per point: those of point i are ``ids[offsets[i]:offsets[i + 1]]``."""

    ids: Int[Tensor, "nnz"]
    offsets: Int[Tensor, "batch_plus_one"]


@dataclass(frozen=True)
class Shortlist(Movable):
    """Which labels to score for which point.

    Attributes:
        label_ids: the distinct labels of the whole batch: each one's vector is computed once.
        positions: for each point, places in ``label_ids``; -1 is padding.
        log_prior: log-probability of the meta-label that brought the label in; 0 for padding.
    """

    label_ids: Int[Tensor, "distinct"]
    positions: Int[Tensor, "batch width"]
    log_prior: Float[Tensor, "batch width"]


@dataclass(frozen=True)
class XCBatch(Movable):
    """A batch of points.

    Attributes:
        tokens: the points' texts.
        truth: their labels; predictions are measured against these.
        filtered: labels that must not count as predictions for a point.
        positives: (row, column) of the true entries of the score matrix that this batch asks for:
            columns are labels, or places in the shortlist if there is one.
        shortlist: the labels to score, or None to score all.
    """

    tokens: TokenBag
    truth: LabelSets
    filtered: LabelSets
    positives: Int[Tensor, "positives 2"]
    shortlist: Shortlist | None = None

    def __len__(self) -> int:
        return len(self.tokens.offsets) - 1
