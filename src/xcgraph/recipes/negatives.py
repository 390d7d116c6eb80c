"""Which labels the points of a step are scored against: all, or those of the batch and some of the rest."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from xcgraph.data.batching import WeightedLabelsDataset
from xcgraph.data.shared_labels import SharedLabelsDataset
from xcgraph.data.xc_data import Split
from xcgraph.errors import UserError


@runtime_checkable
class Negatives(Protocol):
    """Chooses the labels that the points of a step are scored against, beside their own."""

    def make_batches(self, points: Split, seed: int) -> WeightedLabelsDataset:
        """Return the batches of some points.

        Args:
            points: with the relevance of each of their labels.
            seed: of whatever is drawn.
        """


@dataclass(frozen=True)
class AllLabels:
    """Every label: exact, for as long as labels × batch fit."""

    def make_batches(self, points: Split, seed: int) -> WeightedLabelsDataset:  # noqa: ARG002
        """Return batches that are scored against all labels."""
        return WeightedLabelsDataset(points)


@dataclass(frozen=True, kw_only=True)
class SharedNegatives:
    """The labels that any point of the batch carries, and labels drawn from the rest, for all points alike.

    A drawn label counts for as many as it was drawn from, so that sums over labels are unbiased: the loss of
    :class:`~xcgraph.nn.likelihood.Logistic`, and the sum in the logarithm of that of
    :class:`~xcgraph.nn.likelihood.Softmax`. A step costs what batch × scored labels do, however many labels
    there are, if the free vectors have sparse gradients.

    Attributes:
        num_negatives: how many are drawn for a batch.
    """

    num_negatives: int = 2048

    def __post_init__(self) -> None:
        if self.num_negatives < 1:
            raise UserError(f"negatives.num_negatives must be ≥ 1, got {self.num_negatives}.")

    def make_batches(self, points: Split, seed: int) -> WeightedLabelsDataset:
        """Return batches that are scored against labels they share."""
        return SharedLabelsDataset(points, self.num_negatives, seed=seed)


@dataclass(frozen=True, kw_only=True)
class UnweightedNegatives(SharedNegatives):
    """As :class:`SharedNegatives`, but a drawn label counts for itself alone: an ablation."""

    def make_batches(self, points: Split, seed: int) -> WeightedLabelsDataset:
        """Return batches that are scored against labels they share."""
        return SharedLabelsDataset(points, self.num_negatives, seed=seed, weighed=False)
