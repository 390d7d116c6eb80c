"""What the LightningModules share: how they learn, validate and predict; what they learn is their own."""

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TypeVar, cast

import torch
from jaxtyping import Float, Int
from pytorch_lightning import LightningModule
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader

from xcgraph.batch import XCBatch
from xcgraph.data.loader import EpochBatches, process_place
from xcgraph.metrics.xc_metrics import XCMetrics
from xcgraph.optim import Schedule
from xcgraph.tasks.step import SharedRng, Step

Part = TypeVar("Part")
AnyTask = TypeVar("AnyTask", bound="Task")
RandomState = dict[str, Tensor]


@dataclass(frozen=True)
class Learning:
    """How a task learns.

    Attributes:
        optimizer: makes the optimizer of a module.
        schedule: learning rate over time.
        max_epochs: length of the training.
        seed: of dropout, and of whatever else a step draws.
    """

    optimizer: Callable[[nn.Module], Optimizer]
    schedule: Schedule
    max_epochs: int
    seed: int


class Task(LightningModule, ABC):
    """Ranks labels for points; a subclass says how, and what its loss is.

    Attributes:
        top_k: how many labels :meth:`predict_step` returns for a point.
        random_state: of the generators before the training step that is under way, by kind of device.
    """

    top_k: int = 100
    random_state: RandomState | None = None

    def __init__(self) -> None:
        super().__init__()
        self._learning: Learning | None = None
        self._metrics: XCMetrics | None = None
        self._step: Step | None = None
        self._common: SharedRng | None = None

    def prepare(self, learning: Learning, metrics: XCMetrics) -> None:
        """Say how to learn and what to measure on validation points; to predict, neither is needed."""
        self._learning = learning
        self._metrics = metrics
        self.stop_ranking()  # an interrupted pass may not have
        # Buffers follow from the weights and are equal in all processes: DDP need not send them at each step.
        self._ddp_params_and_buffers_to_ignore = [name for name, _ in self.named_buffers()]

    @abstractmethod
    def start_ranking(self) -> None:
        """Compute once what all batches of a pass need, such as the label vectors."""

    @abstractmethod
    def stop_ranking(self) -> None:
        """Forget it: training may go on."""

    @abstractmethod
    def training_step(self, batch: XCBatch) -> Float[Tensor, ""]:
        """Return the loss of a batch."""

    @abstractmethod
    def rank(self, batch: XCBatch, top_k: int) -> tuple[Int[Tensor, "batch k"], Float[Tensor, "batch k"]]:
        """Return each point's best labels (-1: fewer than k) and the logarithms of their scores."""

    def validation_step(self, batch: XCBatch) -> None:
        """Rank labels and count hits."""
        metrics = _required(self._metrics)
        most_filtered = int(batch.filtered.offsets.diff().max())
        ranked, _ = self.rank(batch, max(metrics.top_k) + most_filtered)
        metrics.update(ranked, batch.labels, batch.filtered)

    def predict_step(self, batch: XCBatch) -> tuple[Int[Tensor, "batch k"], Float[Tensor, "batch k"]]:
        """Return each point's best labels (-1: fewer than k) and the logarithms of their scores."""
        return self.rank(batch, self.top_k)

    def step_of(self, batch: XCBatch) -> Step:
        """Return the step of which a batch is this process's share."""
        return self._step or Step(len(batch))

    def shared_rng(self) -> AbstractContextManager[None]:
        """Draw what all processes of a step must draw alike, such as positives; each as many numbers."""
        return contextlib.nullcontext() if self._common is None else self._common.active()

    def log_loss(self, step: Step, **losses: Tensor) -> None:
        """Add losses of a step to the epoch's means, as ``train/loss`` and so on."""
        for name, value in losses.items():
            self.log(
                f"train/{name}",
                value,
                on_step=False,
                on_epoch=True,
                batch_size=step.size,  # the same in all processes, and so is their weight
                sync_dist=True,
            )

    def on_train_batch_start(self, batch: XCBatch, batch_idx: int) -> None:
        """Seed each epoch by itself, so that a resumed run draws what an undisturbed one would have.

        Not before the first batch: a new loader draws a number too, in a resumed run earlier than otherwise.
        The state of the generators is remembered, for a step that has to be taken again.
        """
        del batch
        rank, num_processes = process_place()
        if batch_idx == 0:
            seed = _required(self._learning).seed * 1_000_003 + self.current_epoch
            torch.manual_seed(seed)
            if num_processes > 1:
                self._common = SharedRng(self.device)
                torch.manual_seed(seed + rank * 1_000_003**2)  # else all drop the same units
        if num_processes > 1:
            batches = cast(EpochBatches, cast(DataLoader, self.trainer.train_dataloader).sampler)
            self._step = Step(batches.step_size(batch_idx), rank, num_processes)
        self.random_state = {"cpu": torch.get_rng_state()}
        if self.device.type == "cuda":
            self.random_state["cuda"] = torch.cuda.get_rng_state(self.device)

    def restore_randomness(self) -> None:
        """Bring the generators back to where they were before the step of ``random_state``."""
        for kind, state in (self.random_state or {}).items():
            if kind == "cpu":
                torch.set_rng_state(state)
            else:
                torch.cuda.set_rng_state(state, self.device)

    def on_train_end(self) -> None:
        """Forget the processes that have shared the training."""
        self._step = self._common = None

    def on_validation_epoch_start(self) -> None:
        """Compute once what the whole pass needs."""
        self.start_ranking()

    def on_validation_epoch_end(self) -> None:
        """Report the metrics as ``val/P@1`` and so on."""
        self.stop_ranking()
        metrics = _required(self._metrics)
        # They are those of all processes' points already; sync_dist keeps Lightning from warning.
        values = {f"val/{name}": value.float() for name, value in metrics.compute().items()}
        self.log_dict(values, sync_dist=True)
        metrics.reset()

    def on_predict_start(self) -> None:
        """Compute once what the whole pass needs."""
        self.start_ranking()

    def on_predict_end(self) -> None:
        """Forget it: training may go on."""
        self.stop_ranking()

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Make the optimizer and the schedule, which moves with every step."""
        learning = _required(self._learning)
        optimizer = learning.optimizer(self)
        steps = self.trainer.estimated_stepping_batches / learning.max_epochs
        schedule = LambdaLR(optimizer, lambda step: learning.schedule(step / steps, learning.max_epochs))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def _required(part: Part | None) -> Part:
    if part is None:
        raise RuntimeError("Call prepare before training or validating.")
    return part
