"""Choices of the labels that a batch is scored against: all labels, or a sample that its points share."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from xcgraph.data.batching import WeightedLabelsDataset
from xcgraph.data.shared_labels import SharedLabelsDataset
from xcgraph.data.xc_data import Split
from xcgraph.errors import UserError


@runtime_checkable
class Negatives(Protocol):
    """Chooses the labels that the points of a batch are scored against, in addition to their own."""

    def make_batches(self, points: Split, seed: int) -> WeightedLabelsDataset:
        """Return a dataset of batches.

        Args:
            points: points with the relevance of each of their labels.
            seed: seed of random choices.
        """


@dataclass(frozen=True)
class AllLabels:
    """All labels: exact, as long as (batch, labels) scores fit into memory."""

    def make_batches(self, points: Split, seed: int) -> WeightedLabelsDataset:  # noqa: ARG002
        """Return batches with scores of all labels."""
        return WeightedLabelsDataset(points)


@dataclass(frozen=True, kw_only=True)
class SharedNegatives:
    """The labels of all points of the batch, and a random sample of the other labels, for all points alike.

    A sampled label has the weight of the number of labels that it represents, so sums over labels are
    unbiased: the loss of :class:`~xcgraph.nn.likelihood.Logistic`, and the sum inside the logarithm of
    :class:`~xcgraph.nn.likelihood.Softmax`. If free vectors have sparse gradients, the cost of a step does
    not depend on the total number of labels.

    Attributes:
        num_negatives: number of sampled labels per batch.
    """

    num_negatives: int = 2048

    def __post_init__(self) -> None:
        if self.num_negatives < 1:
            raise UserError(f"negatives.num_negatives must be ≥ 1, got {self.num_negatives}.")

    def make_batches(self, points: Split, seed: int) -> WeightedLabelsDataset:
        """Return batches with scores of shared labels."""
        return SharedLabelsDataset(points, self.num_negatives, seed=seed)


@dataclass(frozen=True, kw_only=True)
class AutoNegatives:
    """All labels if a step can score them, else :class:`SharedNegatives`; the size of the data decides.

    Attributes:
        max_scores: maximum number of scores of a step, points times labels, with which all labels are scored.
        num_negatives: number of sampled labels per batch, if a step cannot score all labels.
    """

    max_scores: int = 1 << 24
    num_negatives: int = 2048

    def __post_init__(self) -> None:
        if self.max_scores < 1:
            raise UserError(f"negatives.max_scores must be ≥ 1, got {self.max_scores}.")
        SharedNegatives(num_negatives=self.num_negatives)  # refuses a value out of range

    def choose(self, num_labels: int, batch_size: int) -> tuple["AllLabels | SharedNegatives", str]:
        """Return the negatives for so many labels and so many points per step, and the reason for the log."""
        scores = f"{num_labels:,} labels × {batch_size:,} points"
        if num_labels * batch_size <= self.max_scores:
            return AllLabels(), f"negatives auto → all ({scores} ≤ max_scores {self.max_scores:,})"
        reason = f"negatives auto → shared ({scores} > max_scores {self.max_scores:,})"
        return SharedNegatives(num_negatives=self.num_negatives), reason


@dataclass(frozen=True, kw_only=True)
class UnweightedNegatives(SharedNegatives):
    """An ablation of :class:`SharedNegatives`: each sampled label has weight 1."""

    def make_batches(self, points: Split, seed: int) -> WeightedLabelsDataset:
        """Return batches with scores of shared labels."""
        return SharedLabelsDataset(points, self.num_negatives, seed=seed, weighed=False)
