"""Batches for training and prediction: frozen dataclasses that Lightning can move between devices."""

from dataclasses import dataclass, fields
from typing import TypeVar

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

AnyTensorDataclass = TypeVar("AnyTensorDataclass", bound="TensorDataclass")


class TensorDataclass:
    """Base of dataclasses of tensors, or of other such dataclasses, with the ``to`` that Lightning needs."""

    def to(
        self: AnyTensorDataclass, device: torch.device | str, *, non_blocking: bool = False
    ) -> AnyTensorDataclass:
        """Return a copy on ``device``; fields that are None stay None."""
        parts = {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]
        moved = {
            name: part if part is None else part.to(device, non_blocking=non_blocking)
            for name, part in parts.items()
        }
        return type(self)(**moved)


@dataclass(frozen=True)
class TokenBag(TensorDataclass):
    """Token weights of a batch of texts: input of an ``EmbeddingBag`` with ``include_last_offset=True``."""

    tokens: Int[Tensor, "nnz"]
    weights: Float[Tensor, "nnz"]
    offsets: Int[Tensor, "batch_plus_one"]

    def rows(self, ids: Int[Tensor, "rows"]) -> "TokenBag":
        """Return the bags of these texts, in this order."""
        entries, offsets = entries_of(self.offsets, ids)
        return TokenBag(self.tokens[entries], self.weights[entries], offsets)


@dataclass(frozen=True)
class LabelSets(TensorDataclass):
    """A set of label ids per point; the ids of point i are ``ids[offsets[i]:offsets[i + 1]]``."""

    ids: Int[Tensor, "nnz"]
    offsets: Int[Tensor, "batch_plus_one"]


@dataclass(frozen=True)
class Shortlist(TensorDataclass):
    """The labels to score for each point.

    Attributes:
        label_ids: distinct labels of the whole batch, so that each label's vector is computed once.
        positions: positions in ``label_ids`` for each point; -1 is padding.
        log_prior: log-probability of the meta-label that added the label; 0 for padding.
    """

    label_ids: Int[Tensor, "distinct"]
    positions: Int[Tensor, "batch width"]
    log_prior: Float[Tensor, "batch width"]


@dataclass(frozen=True)
class SharedLabels(TensorDataclass):
    """The labels to score for all points of a batch.

    Attributes:
        label_ids: distinct label ids, ascending.
        weights: number of labels that each label represents in a sum over all labels: 1 for a label of a
            point of the batch, more for a label that was drawn from many.
    """

    label_ids: Int[Tensor, "shared"]
    weights: Float[Tensor, "shared"]


@dataclass(frozen=True)
class XCBatch(TensorDataclass):
    """A batch of points.

    Attributes:
        tokens: texts of the points.
        labels: true labels of the points, for the evaluation of predictions.
        filtered: labels to remove from the predictions of each point.
        positives: (row, column) of the positives in the score matrix of this batch. Columns are labels, or
            positions in the shortlist or in the shared labels if the batch has one of them.
        shortlist: labels to score for each point, or None if all points are scored against the same labels.
        rows: row numbers of the points in their split, for tasks that have more data about the points.
        relevance: relevance of each positive, in (0, 1]; None means 1 for all positives.
        shared: labels to score for all points. If ``shared`` and ``shortlist`` are None, all labels are
            scored.
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
        """The distinct labels to score, or None for all labels."""
        chosen = self.shortlist or self.shared
        return None if chosen is None else chosen.label_ids

    @property
    def label_weights(self) -> Float[Tensor, "labels"] | None:
        """The number of labels that each column of the scores represents; None means 1 for all columns."""
        return None if self.shared is None else self.shared.weights


def entries_of(
    offsets: Int[Tensor, "all_rows_plus_one"], rows: Int[Tensor, "rows"]
) -> tuple[Int[Tensor, "entries"], Int[Tensor, "rows_plus_one"]]:
    """Return the entries of some rows of a ragged array, and the offsets of these rows in the result.

    Args:
        offsets: row i has the entries ``offsets[i]`` to ``offsets[i + 1]``, the last one excluded.
        rows: row numbers in any order, with repetitions.
    """
    first = offsets[rows]
    ends = (offsets[rows + 1] - first).cumsum(0)
    taken = functional.pad(ends, (1, 0))
    shift = torch.repeat_interleave(first - taken[:-1], taken.diff())
    return torch.arange(len(shift), device=shift.device) + shift, taken
