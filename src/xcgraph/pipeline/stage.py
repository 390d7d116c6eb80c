"""One stage of training: the only place where a Trainer is made."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from pytorch_lightning import Callback, Trainer
from pytorch_lightning.callbacks import ModelCheckpoint
from scipy.sparse import csr_array
from torch.optim import Optimizer

from xcgraph.data.batching import FullTargets
from xcgraph.data.loader import batch_loader
from xcgraph.errors import UserError
from xcgraph.metrics.xc_metrics import XCMetrics
from xcgraph.optim import Schedule
from xcgraph.pipeline.checkpoints import AtomicCheckpointIO, load_tensors, save_tensors
from xcgraph.pipeline.curves import EpochCurves
from xcgraph.pipeline.progress import StageProgress
from xcgraph.tasks.xc_task import Learning, XCTask

WEIGHTS = "weights.ckpt"
CURVES = "curves.csv"
_UNFINISHED = "last.ckpt"


@dataclass(frozen=True, kw_only=True)
class Stage:
    """How a task is trained in one stage, and how it predicts afterwards.

    Attributes:
        max_epochs: passes over the training points.
        batch_size: points per training step.
        lr: learning rate (step size) at the start.
        optimizer: makes the optimizer from a module and ``lr``.
        schedule: learning rate over time.
        trainer: makes a Trainer; knows device and precision.
    """

    max_epochs: int
    batch_size: int
    lr: float
    optimizer: Callable[..., Optimizer]
    schedule: Schedule
    trainer: Callable[..., Trainer]

    def __post_init__(self) -> None:
        for name in ("max_epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise UserError(f"stages.*.{name} must be ≥ 1, got {getattr(self, name)}.")
        if not self.lr > 0:
            raise UserError(f"stages.*.lr must be > 0, got {self.lr}.")

    def fit(
        self,
        task: XCTask,
        points: tuple[FullTargets, FullTargets],
        metrics: XCMetrics,
        *,
        folder: Path,
        title: str,
        seed: int,
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
        """
        optimizer = functools.partial(self.optimizer, lr=self.lr)
        task.prepare(Learning(optimizer, self.schedule, self.max_epochs, seed), metrics)
        train, valid = points
        unfinished = folder / _UNFINISHED
        trainer = self._trainer(
            EpochCurves(folder / CURVES),
            StageProgress(title),
            ModelCheckpoint(folder, filename=unfinished.stem, enable_version_counter=False),
        )
        trainer.fit(
            task,
            batch_loader(train, batch_size=self.batch_size, shuffle_seed=seed),
            batch_loader(valid, batch_size=self.batch_size),
            ckpt_path=unfinished if unfinished.exists() else None,
        )
        save_tensors(folder / WEIGHTS, task.state_dict())
        unfinished.unlink()

    def predict(self, task: XCTask, points: FullTargets, top_k: int) -> csr_array:
        """Return (points, labels) probabilities, at most ``top_k`` per row, in the order of the points."""
        loader = batch_loader(points, batch_size=self.batch_size)
        task.top_k = top_k
        batches = self._trainer().predict(task, loader) or []
        labels = torch.cat([batch[0] for batch in batches]).numpy()
        probabilities = torch.cat([batch[1] for batch in batches]).exp().numpy()
        found = labels >= 0
        indptr = np.concatenate([[0], np.cumsum(found.sum(axis=1))])
        shape = (len(labels), points.num_labels)
        return csr_array((probabilities[found], labels[found], indptr), shape=shape)

    def _trainer(self, *callbacks: Callback) -> Trainer:
        return self.trainer(
            max_epochs=self.max_epochs,
            callbacks=list(callbacks),
            logger=False,
            enable_checkpointing=bool(callbacks),
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            plugins=[AtomicCheckpointIO()],
        )


def load_weights(task: XCTask, folder: Path) -> XCTask:
    """Give a task of the same build the weights that a stage has left in a folder."""
    task.load_state_dict(load_tensors(folder / WEIGHTS))
    return task.eval()
