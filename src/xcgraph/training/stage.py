"""One stage of training: the only place where a Trainer is made."""

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
from xcgraph.training.processes import check_sharing, heard, make_trainer
from xcgraph.training.progress import ProgressListener

WEIGHTS = "weights.ckpt"
_UNFINISHED = "last.ckpt"
_ONE_DEVICE = {"devices": 1, "num_nodes": 1, "strategy": "auto"}  # spawned processes return no predictions


@dataclass(frozen=True, kw_only=True)
class Stage:
    """How a task is trained in one stage, and how it predicts afterwards.

    Attributes:
        max_epochs: passes over the training points.
        batch_size: points per training step, of all processes together.
        lr: learning rate (step size) at the start.
        optimizer: makes the optimizer from a module and ``lr``.
        schedule: learning rate over time.
        trainer: makes a Trainer; knows device and precision, and how many processes share each step. With
            strategy ``ddp_spawn`` the recipe runs in one process, and the trainings alone are shared; with
            ``ddp`` it runs in all, and :class:`~xcgraph.training.processes.Processes` has joined them.
        matmul_precision: torch's ``float32_matmul_precision``, of training and prediction.
        num_workers: processes that cut batches ahead; no result depends on it.
        callbacks: make callbacks beside the stage's own, such as Lightning's averages of weights.
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
        """Make optimizer, schedule and Trainer: what they cannot take is refused before data is read.

        Raises:
            UserError: a value is refused.
        """
        try:
            self.optimizer(task, lr=self.lr)
            self.schedule(0.0, self.max_epochs)
        except (TypeError, ValueError) as error:
            raise UserError(f"{error}") from error
        trainer = make_trainer(self._trainer)
        if self.batch_size < trainer.world_size:
            raise UserError(
                "stages.*.batch_size: expected at least one point of a step for each of "
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
        """Train a task and leave its weights and curves in a folder.

        A folder that an interrupted call has left is taken up at its last finished epoch.

        Args:
            task: what to train; it holds the trained weights afterwards.
            points: to learn from, and to validate on after each epoch.
            metrics: measured on the latter.
            folder: where ``weights.ckpt`` and ``curves.csv`` go.
            title: the stage's name for people.
            seed: of the order of points and of dropout.
            listener: receives the progress.

        Raises:
            DivergedError: a step's loss is no finite number; the step is in ``diverged.ckpt``.
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
        with _interruptible(), heard():
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
        """Return the loss of one training step from a task's random state, with the precision of training."""
        trainer = self._trainer(**_ONE_DEVICE)
        MatmulPrecision(self.matmul_precision).setup(trainer, task, "fit")
        task.to(trainer.strategy.root_device).train()
        task.restore_randomness()
        with trainer.precision_plugin.train_step_context(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*self.log.*")  # nobody keeps what the step logs
            return task.training_step(batch.to(task.device))

    def predict(self, task: Task, points: AllLabelsDataset, top_k: int) -> csr_array:
        """Return (points, labels) probabilities, at most ``top_k`` per row, in the order of the points."""
        task.top_k = top_k
        with _interruptible():
            batches = self._trainer(**_ONE_DEVICE).predict(task, self._loader(points, shared=False)) or []
        # Row by row: shortlists that are shorter than top_k give batches of different widths.
        counts, indices, values = [[0]], [np.empty(0, np.int32)], [np.empty(0, np.float32)]
        batches.reverse()
        while batches:
            labels, scores = batches.pop()  # which frees it: all predictions are large enough once
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
            use_distributed_sampler=False,  # our batches are shared out already; its sampler repeats some
            plugins=[AtomicCheckpointIO()],
        )


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Let Ctrl-C be a KeyboardInterrupt: Lightning answers it by leaving the interpreter."""
    try:
        yield
    except SystemExit:
        raise KeyboardInterrupt from None


def load_weights(task: AnyTask, folder: Path) -> AnyTask:
    """Give a task of the same build the weights that a stage has left in a folder."""
    task.load_state_dict(load_tensors(folder / WEIGHTS))
    return task.eval()
