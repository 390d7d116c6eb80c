"""What a step of training or prediction sees: frozen dataclasses that Lightning moves between devices."""

from dataclasses import dataclass, fields
from typing import TypeVar

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

AnyMovable = TypeVar("AnyMovable", bound="TensorDataclass")


class TensorDataclass:
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
class TokenBag(TensorDataclass):
    """Token weights of a batch of texts, as ``EmbeddingBag`` takes them with its last offset included."""

    tokens: Int[Tensor, "nnz"]
    weights: Float[Tensor, "nnz"]
    offsets: Int[Tensor, "batch_plus_one"]

    def rows(self, ids: Int[Tensor, "rows"]) -> "TokenBag":
        """Return the bags of the given texts, in that order."""
        entries, offsets = entries_of(self.offsets, ids)
        return TokenBag(self.tokens[entries], self.weights[entries], offsets)


@dataclass(frozen=True)
class LabelSets(TensorDataclass):
    """A set of label ids per point: those of point i are ``ids[offsets[i]:offsets[i + 1]]``."""

    ids: Int[Tensor, "nnz"]
    offsets: Int[Tensor, "batch_plus_one"]


@dataclass(frozen=True)
class Shortlist(TensorDataclass):
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
class SharedLabels(TensorDataclass):
    """Which labels to score for all points of a batch alike.

    Attributes:
        label_ids: ascending, each once.
        weights: how many labels each stands for in a sum over all: 1 for one that any of the points
            carries, more for one that was drawn from many.
    """

    label_ids: Int[Tensor, "shared"]
    weights: Float[Tensor, "shared"]


@dataclass(frozen=True)
class XCBatch(TensorDataclass):
    """A batch of points.

    Attributes:
        tokens: the points' texts.
        labels: their labels; predictions are measured against these.
        filtered: labels that must not count as predictions for a point.
        positives: (row, column) of the true entries of the score matrix that this batch asks for:
            columns are labels, or places in the shortlist or among the shared labels if there are such.
        shortlist: the labels to score for each point, or None to score all points against the same.
        rows: the points' numbers in their split, for tasks that know more of them than the batch tells.
        relevance: how true each of the positives is, in (0, 1]; None: entirely.
        shared: the labels to score for all points, or None, without a shortlist, to score all labels.
    """

    tokens: TokenBag
    labels: LabelSets
    filtered: LabelSets
    positives: Int[Tensor, "positives 2"]
    shortlist: Shortlist | None = None
    rows: Int[Tensor, "batch"] | None = None
    relevance: Float[Tensor, "positives"] | None = None
    shared: SharedLabels | None = None

    def __len__(self) -> int:
        return len(self.tokens.offsets) - 1

    @property
    def label_ids(self) -> Int[Tensor, "labels"] | None:
        """The distinct labels that are scored, or None for all."""
        chosen = self.shortlist or self.shared
        return None if chosen is None else chosen.label_ids

    @property
    def label_weights(self) -> Float[Tensor, "labels"] | None:
        """How many labels each column of the scores stands for; None: one."""
        return None if self.shared is None else self.shared.weights


def entries_of(
    offsets: Int[Tensor, "all_rows_plus_one"], rows: Int[Tensor, "rows"]
) -> tuple[Int[Tensor, "entries"], Int[Tensor, "rows_plus_one"]]:
    """Find the entries of some rows of a ragged array, and the offsets of these rows among them.

    Args:
        offsets: entries of row i are ``offsets[i]`` to ``offsets[i + 1]``.
        rows: the rows, in any order, also repeated.
    """
    first = offsets[rows]
    ends = (offsets[rows + 1] - first).cumsum(0)
    taken = functional.pad(ends, (1, 0))
    shift = torch.repeat_interleave(first - taken[:-1], taken.diff())
    return torch.arange(len(shift), device=shift.device) + shift, taken
