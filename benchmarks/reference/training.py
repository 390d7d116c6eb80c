"""One training after the other, with a clock."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from torch import Tensor, nn
from torch.optim import Adam, SparseAdam
from torch.utils.data import DataLoader

from benchmarks.clock import Took
from benchmarks.process import note
from xcgraph.optim import HalvingSchedule


@dataclass
class Clock:
    """What everything took.

    Attributes:
        steps: of every step that is no training.
        epochs: of the epochs of each training.
    """

    steps: dict[str, Took] = field(default_factory=dict)
    epochs: dict[str, list[Took]] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time what is done within."""
        start = Took.now()
        yield
        self.steps[name] = Took.now().since(start)
        note(f"{name}: {self.steps[name]}")


@dataclass(frozen=True)
class Training:
    """How one module is trained.

    Attributes:
        name: of the module.
        epochs: passes over the points.
        lr: at the start; halved at half-way and every five epochs after that.
        batch_size: points per step.
        max_batches: steps per epoch that are really taken, or None for all of them. An epoch's seconds are
            then those of the steps taken, in proportion.
    """

    name: str
    epochs: int
    lr: float
    batch_size: int = 255
    max_batches: int | None = None

    def fit(
        self,
        model: nn.Module,
        loader: DataLoader[Any],
        loss_of: Callable[[Any], Tensor],
        clock: Clock,
    ) -> None:
        """Train with Adam, and SparseAdam where gradients are sparse."""
        tables = [part for part in model.modules() if isinstance(part, nn.Embedding | nn.EmbeddingBag)]
        sparse = [table.weight for table in tables if table.weight.requires_grad]
        known = {id(table.weight) for table in tables}
        dense = [parameter for parameter in model.parameters() if id(parameter) not in known]
        optimizers = [Adam(dense, lr=self.lr), SparseAdam(sparse, lr=self.lr)]
        steps = min(len(loader), self.max_batches or len(loader))
        model.train()
        for epoch in range(self.epochs):
            start, total = Took.now(), 0.0
            for optimizer in optimizers:
                for group in optimizer.param_groups:
                    group["lr"] = self.lr * HalvingSchedule()(float(epoch), self.epochs)
            for batch in islice(loader, steps):
                total += _step(optimizers, loss_of(batch))
            took = Took.now().since(start).times(len(loader) / steps)
            clock.epochs.setdefault(self.name, []).append(took)
            note(f"{self.name}, epoch {epoch + 1}: loss {total / steps:.5f}, {took}")
            if not math.isfinite(total):
                raise ArithmeticError(f"The {self.name} has diverged in epoch {epoch + 1}.")
        model.eval()


def _step(optimizers: list[Any], loss: Tensor) -> float:
    for optimizer in optimizers:
        optimizer.zero_grad()
    loss.backward()
    for optimizer in optimizers:
        optimizer.step()
    return loss.item()
