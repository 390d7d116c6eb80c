"""Stop a training whose loss is not finite, and save everything that repeats the step."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor

from xcgraph.batch import LabelSets, SharedLabels, Shortlist, TensorDataclass, TokenBag, XCBatch
from xcgraph.errors import DivergedError
from xcgraph.tasks.task import RandomState, Task
from xcgraph.training.checkpoints import load_tensors, save_tensors

DIVERGED = "diverged.ckpt"
# A step can change small buffers, such as the vectors of a spectral norm. Larger buffers hold graphs and
# texts, which do not change.
_SMALL = 1 << 16


@dataclass(frozen=True, kw_only=True)
class BadStep:
    """A training step whose loss was not finite.

    Attributes:
        epoch: number of the epoch, from 1.
        step: number of the step in the epoch, from 1.
        loss: the loss.
        batch: the batch.
        weights: state of the task before the step.
        random_state: state of the random generators before the step, which dropout depends on.
        broken: names of the weights that were not finite before the step.
    """

    epoch: int
    step: int
    loss: float
    batch: XCBatch
    weights: dict[str, Tensor]
    random_state: RandomState
    broken: list[str]

    def save(self, path: Path) -> None:
        """Write the step as tensors and plain values."""
        save_tensors(path, {**vars(self), "batch": _tensors(self.batch)})

    @classmethod
    def load(cls, path: Path) -> "BadStep":
        """Read a file of :meth:`save`."""
        state = load_tensors(path)
        parts = state.pop("batch")
        kinds = {
            "tokens": TokenBag,
            "labels": LabelSets,
            "filtered": LabelSets,
            "shortlist": Shortlist,
            "shared": SharedLabels,
        }
        parts |= {name: kind(**parts[name]) for name, kind in kinds.items() if parts[name] is not None}
        return cls(batch=XCBatch(**parts), **state)


class StopAtDivergence(Callback):
    """Checks the loss of every step before the backward pass.

    If several processes share a step, all of them stop if one loss is not finite. The first process with such
    a loss saves its part of the batch.

    Args:
        path: file for the step.
        title: name of the stage, for the message.
    """

    def __init__(self, path: Path, title: str) -> None:
        self._path = path
        self._title = title
        self._batch: XCBatch | None = None
        self._index = 0
        self._changing: list[str] = []
        self._before: dict[str, Tensor] = {}

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """List the buffers that a step can change."""
        del trainer
        kept, buffers = pl_module.state_dict().keys(), pl_module.named_buffers()
        self._changing = [name for name, buffer in buffers if name in kept and buffer.numel() <= _SMALL]

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: XCBatch, batch_idx: int
    ) -> None:
        """Remember the batch and the buffers that the step changes before its loss is known."""
        del trainer
        self._batch, self._index = batch, batch_idx
        self._before = {name: pl_module.get_buffer(name).clone() for name in self._changing}

    def on_before_backward(self, trainer: Trainer, pl_module: LightningModule, loss: Tensor) -> None:
        """Stop the training if the loss is not finite.

        Raises:
            DivergedError: the loss is not finite; the step is saved.
        """
        step = cast(Task, pl_module).step_of(cast(XCBatch, self._batch))
        losses = step.losses(loss)
        broken = torch.isfinite(losses).logical_not().nonzero()
        if not len(broken):
            return
        weights = pl_module.named_parameters()
        bad = BadStep(
            epoch=trainer.current_epoch + 1,
            step=self._index + 1,
            loss=losses[broken[0]].item(),
            batch=cast(XCBatch, self._batch).to("cpu"),
            weights={**pl_module.state_dict(), **self._before},
            random_state=cast(Task, pl_module).random_state or {},
            broken=[name for name, weight in weights if not weight.isfinite().all()],
        )
        if step.rank == broken[0].item():
            bad.save(self._path)
        step.barrier()  # the first process ends the others when it stops
        raise DivergedError(self._message(bad))

    def _message(self, bad: BadStep) -> str:
        since = f"; {bad.broken[0]} was not finite even before this step" if bad.broken else ""
        return (
            f"{self._title} diverged: expected a finite loss in step {bad.step} of epoch {bad.epoch}, found "
            f"{bad.loss}{since}; lower the learning rate (stages.*.lr). The batch and the weights before the "
            f"step are in {self._path}; xcgraph.saved_runs.replay repeats the step."
        )


def _tensors(part: Any) -> Any:  # noqa: ANN401 - a TensorDataclass, a tensor or None
    if not isinstance(part, TensorDataclass):
        return part
    return {name: _tensors(value) for name, value in vars(part).items()}
