"""Train the modules of the reference and record their times."""

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
    """Recorded times.

    Attributes:
        steps: time of every step other than training, by name.
        epochs: time of every epoch, by module.
    """

    steps: dict[str, Took] = field(default_factory=dict)
    epochs: dict[str, list[Took]] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Record the time of the ``with`` block."""
        start = Took.now()
        yield
        self.steps[name] = Took.now().since(start)
        note(f"{name}: {self.steps[name]}")


@dataclass(frozen=True)
class Training:
    """Training settings of one module.

    Attributes:
        name: name of the module.
        epochs: number of passes over the points.
        lr: initial learning rate. It is halved after half of the epochs, and then every five epochs.
        batch_size: points per step.
        max_batches: maximal number of steps per epoch, or None for all. The time of a shortened epoch is
            scaled to all steps.
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
        """Train with Adam for dense parameters and SparseAdam for embeddings."""
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
                raise ArithmeticError(f"The loss of the {self.name} is not finite in epoch {epoch + 1}.")
        model.eval()


def _step(optimizers: list[Any], loss: Tensor) -> float:
    for optimizer in optimizers:
        optimizer.zero_grad()
    loss.backward()
    for optimizer in optimizers:
        optimizer.step()
    return loss.item()
