"""When edges of anchors are pruned, and which (RAMEN section 3, "graph pruning")."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from xcgraph.errors import UserError


@runtime_checkable
class Pruning(Protocol):
    """Says at the start of an epoch whether edges are pruned, and below which cosine."""

    def threshold(self, epoch: int) -> float | None:
        """Return the cosine that an edge must exceed to stay, or None to leave the edges as they are."""


@dataclass(frozen=True, kw_only=True)
class ScheduledPruning:
    """Wait until the encoder is warm, then look at all edges again every few epochs.

    Each time the whole graph is judged by the encoder of that moment, so that an edge can come back.

    Attributes:
        warmup_epochs: epochs on the unpruned graph.
        every_epochs: epochs between one pruning and the next.
        min_similarity: cosine of both ends that an edge must exceed to stay.
    """

    warmup_epochs: int = 10
    every_epochs: int = 5
    min_similarity: float = 0.0

    def __post_init__(self) -> None:
        if self.warmup_epochs < 0:
            raise UserError(f"pruning.warmup_epochs must be ≥ 0, got {self.warmup_epochs}.")
        if self.every_epochs < 1:
            raise UserError(f"pruning.every_epochs must be ≥ 1, got {self.every_epochs}.")
        if not -1 <= self.min_similarity <= 1:
            raise UserError(f"pruning.min_similarity must lie in [-1, 1], got {self.min_similarity}.")

    def threshold(self, epoch: int) -> float | None:
        """Return ``min_similarity`` in the epochs that begin with pruning."""
        past = epoch - self.warmup_epochs
        return self.min_similarity if past >= 0 and past % self.every_epochs == 0 else None


@dataclass(frozen=True)
class NoPruning:
    """All edges stay (ablation)."""

    def threshold(self, epoch: int) -> float | None:  # noqa: ARG002
        """Return None."""
        return None
