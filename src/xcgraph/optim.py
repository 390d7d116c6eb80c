"""An optimizer for sparse and dense gradients, and learning-rate schedules."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from torch import nn
from torch.optim import Adam, Optimizer

from xcgraph.errors import UserError
from xcgraph.row_adam import RowAdam


class SparseDenseAdam(Optimizer):
    """Adam for dense gradients and SparseAdam for sparse gradients, as one optimizer.

    Lightning's automatic optimization supports only one optimizer. However, embeddings with ``sparse=True``
    need SparseAdam, here :class:`~xcgraph.row_adam.RowAdam`, and all other parameters need Adam. The two
    inner optimizers share their groups and state with this object, so that schedulers and checkpoints see a
    single optimizer.

    Args:
        module: module whose parameters with gradients are optimized.
        lr: learning rate (step size) of both inner optimizers.
        betas: decay rates of the first and second moment in both inner optimizers.
    """

    def __init__(self, module: nn.Module, *, lr: float, betas: tuple[float, float] = (0.9, 0.999)) -> None:
        sparse = _sparse_parameters(module)
        trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
        dense_part = [parameter for parameter in trained if id(parameter) not in sparse]
        sparse_part = [parameter for parameter in trained if id(parameter) in sparse]
        self._parts: list[Optimizer] = []
        if dense_part:
            self._parts.append(Adam(dense_part, lr=lr, betas=(betas[0], betas[1]), fused=True))
        if sparse_part:
            self._parts.append(RowAdam(sparse_part, lr=lr, betas=(betas[0], betas[1])))
        super().__init__([group for part in self._parts for group in part.param_groups], {})
        self._share()

    def _share(self) -> None:
        start = 0
        for part in self._parts:
            count = len(part.param_groups)
            part.param_groups = self.param_groups[start : start + count]
            part.state = self.state
            start += count

    def step(self, closure: Callable[[], Any] | None = None) -> Any:  # noqa: ANN401 - torch's signature
        """Update all parameters; see :meth:`torch.optim.Optimizer.step`."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for part in self._parts:
            part.step()
        return loss

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore groups and state, also in the inner optimizers; otherwise a resumed run would differ."""
        super().load_state_dict(state_dict)
        self._share()


def _sparse_parameters(module: nn.Module) -> set[int]:
    tables: Iterable[nn.Module] = (
        part for part in module.modules() if isinstance(part, nn.Embedding | nn.EmbeddingBag) and part.sparse
    )
    return {id(table.weight) for table in tables}


@runtime_checkable
class Schedule(Protocol):
    """A factor for the initial learning rate that depends on the progress of training."""

    def __call__(self, epoch: float, max_epochs: int) -> float:
        """Return the factor at ``epoch``, which can have a fraction, of ``max_epochs``."""


@dataclass(frozen=True)
class HalvingSchedule:
    """Halve the learning rate after half of the epochs and then periodically, as the public ECLARE code does.

    Attributes:
        every_epochs: number of epochs between two halvings, at least 1.

    Raises:
        UserError: ``every_epochs`` is below 1.
    """

    every_epochs: int = 5

    def __post_init__(self) -> None:
        if self.every_epochs < 1:
            raise UserError(f"schedule.every_epochs must be ≥ 1, got {self.every_epochs}; raise it.")

    def __call__(self, epoch: float, max_epochs: int) -> float:
        """Return the factor at ``epoch`` of ``max_epochs``."""
        past_half = math.floor(epoch) - max(1, max_epochs // 2)
        return 1.0 if past_half < 0 else 0.5 ** (1 + past_half // self.every_epochs)


@dataclass(frozen=True)
class LinearSchedule:
    """Increase the learning rate linearly during the warm-up, then decrease it linearly to 0.

    Attributes:
        warmup_epochs: length of the warm-up in epochs, at least 0; fractions are allowed.

    Raises:
        UserError: ``warmup_epochs`` is negative.
    """

    warmup_epochs: float = 0.0

    def __post_init__(self) -> None:
        if self.warmup_epochs < 0:
            raise UserError(f"schedule.warmup_epochs must be ≥ 0, got {self.warmup_epochs}; raise it.")

    def __call__(self, epoch: float, max_epochs: int) -> float:
        """Return the factor at ``epoch`` of ``max_epochs``.

        Raises:
            UserError: the warm-up is not shorter than the training.
        """
        if self.warmup_epochs >= max_epochs:
            raise UserError(
                f"schedule.warmup_epochs={self.warmup_epochs} must be less than max_epochs, {max_epochs}; "
                "otherwise training never reaches the full learning rate. Lower it."
            )
        if epoch < self.warmup_epochs:
            return epoch / self.warmup_epochs
        return max(0.0, (max_epochs - epoch) / (max_epochs - self.warmup_epochs))
