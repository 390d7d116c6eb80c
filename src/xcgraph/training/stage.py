"""A stage of training: how to fit a task, resume it, and predict with it."""

import contextlib
import functools
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from pytorch_lightning import Callback, Trainer
from pytorch_lightning.callbacks import ModelCheckpoint
from scipy.sparse import csr_array
from torch import Tensor
from torch.optim import Optimizer
from torch.utils.data import DataLoader

from xcgraph.batch import XCBatch
from xcgraph.data.batching import AllLabelsDataset
from xcgraph.data.loader import batch_loader
from xcgraph.errors import UserError
from xcgraph.identity import UNKEYED
from xcgraph.metrics.xc_metrics import XCMetrics
from xcgraph.optim import Schedule
from xcgraph.tasks.task import AnyTask, Learning, Task
from xcgraph.training.callbacks import CloneSparseGradients, MallocTuning, MatmulPrecision
from xcgraph.training.checkpoints import AtomicCheckpointIO, load_tensors, save_tensors
from xcgraph.training.curves import CURVES, EpochCurves
from xcgraph.training.divergence import DIVERGED, StopAtDivergence
from xcgraph.training.processes import check_sharing, make_trainer, spawned_errors
from xcgraph.training.progress import ProgressListener

WEIGHTS = "weights.ckpt"
_UNFINISHED = "last.ckpt"
_ONE_DEVICE = {"devices": 1, "num_nodes": 1, "strategy": "auto"}  # spawned processes return no predictions


@dataclass(frozen=True, kw_only=True)
class Stage:
    """How to train a task, and how to predict with it.

    Attributes:
        max_epochs: passes over the training points.
        batch_size: points per training step, summed over all processes.
        lr: initial learning rate.
        optimizer: builds the optimizer from a module and ``lr``.
        schedule: factor of the learning rate over time.
        trainer: builds a Trainer with its device, its precision and its number of processes. With strategy
            ``ddp_spawn``, the recipe runs in one process and several processes share each training. With
            ``ddp``, the recipe runs in all processes; see :class:`~xcgraph.training.processes.Processes`.
        matmul_precision: torch's ``float32_matmul_precision`` for training and prediction.
        num_workers: processes that prepare batches; no result depends on it.
        callbacks: build further callbacks, such as Lightning's weight averaging.
    """

    max_epochs: int
    batch_size: int
    lr: float
    optimizer: Callable[..., Optimizer]
    schedule: Schedule
    trainer: Callable[..., Trainer]
    matmul_precision: str = "medium"
    num_workers: int = field(default=0, metadata=UNKEYED)
    callbacks: Sequence[Callable[[], Callback]] = ()

    def __post_init__(self) -> None:
        for name in ("max_epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise UserError(f"stages.*.{name} must be ≥ 1, got {getattr(self, name)}.")
        if not self.lr > 0:
            raise UserError(f"stages.*.lr must be > 0, got {self.lr}.")
        if self.num_workers < 0:
            raise UserError(f"stages.*.num_workers must be ≥ 0, got {self.num_workers}.")

    def check(self, task: Task) -> None:
        """Build optimizer, schedule and Trainer once, to find invalid values before any data is read.

        Raises:
            UserError: a value is invalid.
        """
        try:
            self.optimizer(task, lr=self.lr)
            self.schedule(0.0, self.max_epochs)
        except (TypeError, ValueError) as error:
            raise UserError(f"{error}") from error
        trainer = make_trainer(self._trainer)
        if self.batch_size < trainer.world_size:
            raise UserError(
                "stages.*.batch_size: expected at least one point for each of "
                f"{trainer.world_size} processes, found {self.batch_size}; raise it or lower trainer.devices."
            )
        check_sharing(trainer, task)

    def fit(
        self,
        task: Task,
        points: tuple[AllLabelsDataset, AllLabelsDataset],
        metrics: XCMetrics,
        *,
        folder: Path,
        title: str,
        seed: int,
        listener: ProgressListener | None = None,
    ) -> None:
        """Train a task, and write its weights and curves into a folder.

        If an earlier call was interrupted, the training resumes after the last finished epoch in the folder.

        Args:
            task: the task; afterwards it has the trained weights.
            points: points to train on, and points to validate on after each epoch.
            metrics: metrics on the validation points.
            folder: folder for ``weights.ckpt`` and ``curves.csv``.
            title: name of the stage, for messages.
            seed: seed of the order of points and of dropout.
            listener: receives the progress.

        Raises:
            DivergedError: the loss of a step is not finite; ``diverged.ckpt`` contains the step.
        """
        listener = listener or ProgressListener()
        optimizer = functools.partial(self.optimizer, lr=self.lr)
        task.prepare(Learning(optimizer, self.schedule, self.max_epochs, seed), metrics)
        train, valid = points
        unfinished, diverged = folder / _UNFINISHED, folder / DIVERGED
        diverged.unlink(missing_ok=True)
        trainer = self._trainer(
            StopAtDivergence(diverged, title),
            EpochCurves(folder / CURVES, functools.partial(listener.report, title)),
            listener.progress(title),
            CloneSparseGradients(),
            *(make() for make in self.callbacks),
            ModelCheckpoint(folder, filename=unfinished.stem, enable_version_counter=False),
        )
        with _interruptible(), spawned_errors():
            trainer.fit(
                task,
                self._loader(train, shuffle_seed=seed),
                self._loader(valid),
                ckpt_path=unfinished if unfinished.exists() else None,
            )
        if trainer.is_global_zero:
            save_tensors(folder / WEIGHTS, task.state_dict())
            unfinished.unlink()

    def take_step(self, task: Task, batch: XCBatch) -> Tensor:
        """Return the loss of one training step, from the task's random state and in the stage's precision."""
        trainer = self._trainer(**_ONE_DEVICE)
        MatmulPrecision(self.matmul_precision).setup(trainer, task, "fit")
        task.to(trainer.strategy.root_device).train()
        task.restore_randomness()
        with trainer.precision_plugin.train_step_context(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*self.log.*")  # this call has no logger
            return task.training_step(batch.to(task.device))

    def predict(self, task: Task, points: AllLabelsDataset, top_k: int) -> csr_array:
        """Return (points, labels) probabilities, with at most ``top_k`` per row."""
        task.top_k = top_k
        with _interruptible():
            batches = self._trainer(**_ONE_DEVICE).predict(task, self._loader(points, shared=False)) or []
        # Rows are joined one by one: batches differ in width if shortlists are shorter than top_k.
        counts, indices, values = [[0]], [np.empty(0, np.int32)], [np.empty(0, np.float32)]
        batches.reverse()
        while batches:
            labels, scores = batches.pop()  # frees the batch: a copy of all predictions is large
            found = labels >= 0
            counts.append(found.sum(dim=1).numpy())
            indices.append(labels[found].int().numpy())
            values.append(scores[found].exp().numpy())
        return csr_array(
            (np.concatenate(values), np.concatenate(indices), np.cumsum(np.concatenate(counts))),
            shape=(len(points), points.num_labels),
        )

    def _loader(
        self, points: AllLabelsDataset, shuffle_seed: int | None = None, *, shared: bool = True
    ) -> DataLoader[XCBatch]:
        return batch_loader(
            points,
            batch_size=self.batch_size,
            shuffle_seed=shuffle_seed,
            num_workers=self.num_workers,
            shared=shared,
        )

    def _trainer(self, *callbacks: Callback, **changes: Any) -> Trainer:  # noqa: ANN401 - Lightning's
        return self.trainer(
            **changes,
            max_epochs=self.max_epochs,
            callbacks=[MatmulPrecision(self.matmul_precision), MallocTuning(), *callbacks],
            logger=False,
            enable_checkpointing=bool(callbacks),
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,  # the loader splits batches itself, and repeats no points
            plugins=[AtomicCheckpointIO()],
        )


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Raise KeyboardInterrupt on Ctrl-C, where Lightning would exit the interpreter."""
    try:
        yield
    except SystemExit:
        raise KeyboardInterrupt from None


def load_weights(task: AnyTask, folder: Path) -> AnyTask:
    """Load the weights in the folder of a stage into a task with the same parts."""
    task.load_state_dict(load_tensors(folder / WEIGHTS))
    return task.eval()
