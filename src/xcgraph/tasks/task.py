"""The base of all LightningModules: training, validation and prediction, without the objective."""

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
from xcgraph.nn.portable import LabelScorer, no_portable_form
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
        max_epochs: length of the training in epochs.
        seed: random seed of all random numbers in training steps, such as dropout masks.
    """

    optimizer: Callable[[nn.Module], Optimizer]
    schedule: Schedule
    max_epochs: int
    seed: int


class Task(LightningModule, ABC):
    """Rank labels for points; a subclass defines the ranking and the loss.

    Attributes:
        top_k: how many labels :meth:`predict_step` returns for a point.
        random_state: states of the random generators before the current training step, by kind of device.
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
        """Set how to learn and which metrics to compute on validation points; prediction needs neither."""
        self._learning = learning
        self._metrics = metrics
        self.stop_ranking()  # an interrupted pass may have left its label vectors
        # Buffers are equal in all processes, so DDP need not send them in each step.
        self._ddp_params_and_buffers_to_ignore = [name for name, _ in self.named_buffers()]

    @abstractmethod
    def start_ranking(self) -> None:
        """Compute once the values that all batches of a pass share, such as the label vectors."""

    @abstractmethod
    def stop_ranking(self) -> None:
        """Release these values, because training may change them."""

    @abstractmethod
    def training_step(self, batch: XCBatch) -> Float[Tensor, ""]:
        """Return the loss of a batch."""

    @abstractmethod
    def rank(self, batch: XCBatch, top_k: int) -> tuple[Int[Tensor, "batch k"], Float[Tensor, "batch k"]]:
        """Return each point's best labels (-1: fewer than k) and the logarithms of their scores."""

    def scoring(self) -> LabelScorer:
        """Return in the portable form how the trained task scores labels, which an exported model needs.

        Raises:
            UserError: the task, or a part of it, has no such form.
        """
        raise no_portable_form(self, "give it a method scoring that returns an xcgraph.nn.LabelScorer")

    def view_shares(self, label_ids: Int[Tensor, "labels"] | None = None) -> dict[str, Tensor]:
        """Return by view of a label its share in the label's vector; empty if the task has no such views."""
        del label_ids
        return {}

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
        """Return the step that a batch belongs to; with several processes, the batch is a part of it."""
        return self._step or Step(len(batch))

    def shared_rng(self) -> AbstractContextManager[None]:
        """Let all processes of a step draw the same random numbers; each must draw equally many."""
        return contextlib.nullcontext() if self._common is None else self._common.active()

    def log_loss(self, step: Step, **losses: Tensor) -> None:
        """Log losses of a step, averaged over the epoch, as ``train/loss`` and so on."""
        for name, value in losses.items():
            self.log(
                f"train/{name}",
                value,
                on_step=False,
                on_epoch=True,
                batch_size=step.size,  # the same in all processes, so each has the same weight in the mean
                sync_dist=True,
            )

    def on_train_batch_start(self, batch: XCBatch, batch_idx: int) -> None:
        """Seed each epoch separately, so that a resumed run draws the same numbers as an undisturbed one.

        This happens at the first batch and not before it, because a new loader draws a number too, and in a
        resumed run it does so earlier. The generators' states are kept for a step that must be repeated.
        """
        del batch
        rank, num_processes = process_place()
        if batch_idx == 0:
            seed = _required(self._learning).seed * 1_000_003 + self.current_epoch
            torch.manual_seed(seed)
            if num_processes > 1:
                self._common = SharedRng(self.device)
                torch.manual_seed(seed + rank * 1_000_003**2)  # otherwise all processes drop the same units
        if num_processes > 1:
            batches = cast(EpochBatches, cast(DataLoader, self.trainer.train_dataloader).sampler)
            self._step = Step(batches.step_size(batch_idx), rank, num_processes)
        self.random_state = {"cpu": torch.get_rng_state()}
        if self.device.type == "cuda":
            self.random_state["cuda"] = torch.cuda.get_rng_state(self.device)

    def restore_randomness(self) -> None:
        """Set the generators back to ``random_state``."""
        for kind, state in (self.random_state or {}).items():
            if kind == "cpu":
                torch.set_rng_state(state)
            else:
                torch.cuda.set_rng_state(state, self.device)

    def on_train_end(self) -> None:
        """Drop the state that belongs to the processes of the training."""
        self._step = self._common = None

    def on_validation_epoch_start(self) -> None:
        """Prepare the ranking of a whole pass."""
        self.start_ranking()

    def on_validation_epoch_end(self) -> None:
        """Report the metrics as ``val/P@1`` and so on."""
        self.stop_ranking()
        metrics = _required(self._metrics)
        # The metrics already cover the points of all processes; sync_dist only avoids Lightning's warning.
        values = {f"val/{name}": value.float() for name, value in metrics.compute().items()}
        self.log_dict(values, sync_dist=True)
        metrics.reset()

    def on_predict_start(self) -> None:
        """Prepare the ranking of a whole pass."""
        self.start_ranking()

    def on_predict_end(self) -> None:
        """Release the prepared ranking."""
        self.stop_ranking()

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Build the optimizer and the schedule, which advances with every step."""
        learning = _required(self._learning)
        optimizer = learning.optimizer(self)
        steps = self.trainer.estimated_stepping_batches / learning.max_epochs
        schedule = LambdaLR(optimizer, lambda step: learning.schedule(step / steps, learning.max_epochs))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def _required(part: Part | None) -> Part:
    if part is None:
        raise RuntimeError("Call prepare before training or validating.")
    return part
