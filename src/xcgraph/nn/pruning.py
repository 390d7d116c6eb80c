"""Schedules of edge pruning (RAMEN section 3, "graph pruning")."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from xcgraph.errors import UserError


@runtime_checkable
class Pruning(Protocol):
    """Decides at the start of each epoch whether edges are pruned, and below which cosine."""

    def threshold(self, epoch: int) -> float | None:
        """Return the cosine that an edge must exceed to stay, or None to leave the edges as they are."""


@dataclass(frozen=True, kw_only=True)
class ScheduledPruning:
    """Prune every few epochs after a warm-up of the encoder.

    Each pruning starts from the whole graph and uses the current encoder, so a pruned edge can come back.

    Attributes:
        warmup_epochs: epochs on the unpruned graph.
        every_epochs: epochs between two prunings.
        min_similarity: edges between vectors with a larger cosine stay.
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
        """Return ``min_similarity`` in epochs that start with a pruning, else None."""
        past = epoch - self.warmup_epochs
        return self.min_similarity if past >= 0 and past % self.every_epochs == 0 else None


@dataclass(frozen=True)
class NoPruning:
    """Keeps all edges (ablation)."""

    def threshold(self, epoch: int) -> float | None:  # noqa: ARG002
        """Return None."""
        return None
