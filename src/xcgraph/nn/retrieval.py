"""Retrieval of the labels with the largest inner products."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias, runtime_checkable

import torch
from torch import Tensor

from xcgraph.errors import UserError

# From (points, dim) vectors and k to (points, k) labels and (points, k) inner products, best first.
Search: TypeAlias = Callable[[Tensor, int], tuple[Tensor, Tensor]]


@runtime_checkable
class Retrieval(Protocol):
    """Finds labels by inner product."""

    def index(self, vectors: Tensor) -> Search:
        """Prepare the search among (labels, dim) vectors."""


@dataclass(frozen=True)
class ExactRetrieval:
    """Compares each point with every label, in blocks of labels that avoid a (points, labels) matrix.

    Attributes:
        block_size: labels per block.
    """

    block_size: int = 65_536

    def __post_init__(self) -> None:
        if self.block_size < 1:
            raise UserError(f"retrieval.block_size must be ≥ 1, got {self.block_size}.")

    def index(self, vectors: Tensor) -> Search:
        """Prepare the search among (labels, dim) vectors."""

        def search(points: Tensor, k: int) -> tuple[Tensor, Tensor]:
            values = points.new_empty(len(points), 0)
            labels = torch.empty(len(points), 0, dtype=torch.int64, device=points.device)
            for first in range(0, len(vectors), self.block_size):
                products = points @ vectors[first : first + self.block_size].T
                best, found = products.topk(min(k, products.shape[1]), dim=1)
                values, labels = torch.cat([values, best], 1), torch.cat([labels, found + first], 1)
                values, kept = values.topk(min(k, values.shape[1]), dim=1)
                labels = labels.gather(1, kept)
            return labels, values

        return search
