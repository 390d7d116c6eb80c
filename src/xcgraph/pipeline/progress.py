"""What a person sees while a stage trains: a Rich bar on a terminal, a line per epoch in a log."""

import logging
import sys
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from xcgraph.pipeline.pace import Pace, in_words

_log = logging.getLogger(__name__)

MODES = ("auto", "bar", "lines", "quiet")


class StageProgress(Callback):
    """Names the stage, its epoch, the time left in it and in the run, and the newest validation metrics.

    Args:
        stage: the name to show, such as ``tree-0-ranker``.
        mode: ``bar``, ``lines`` (one per epoch) or ``quiet``; ``auto`` is a bar on a terminal, else lines.
        pace: estimates the time left in the run.
    """

    def __init__(self, stage: str, mode: str = "auto", pace: Pace | None = None) -> None:
        self._stage = stage
        self._mode = mode
        self._pace = Pace({}) if pace is None else pace
        self._bar: Progress | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Show the bar, where a person looks on."""
        del pl_module
        if not trainer.is_global_zero:
            return
        # Made in the process that trains: a bar holds locks, which cannot be sent to another.
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._bar = Progress(
            *columns,
            TextColumn("{task.fields[left]}"),
            TextColumn("{task.fields[metrics]}"),
            console=Console(stderr=True),
        )
        total = int(trainer.estimated_stepping_batches)
        self._bar.add_task(self._stage, total=total, completed=trainer.global_step, left="", metrics="")
        self._advance(trainer)
        if self._shows("bar"):
            self._bar.start()

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:  # noqa: ANN401 - Lightning's signature
        """Advance by a step."""
        epoch = f"{self._stage} · epoch {trainer.current_epoch + 1}/{trainer.max_epochs}"
        self._advance(trainer)
        self._update(completed=trainer.global_step, description=epoch, left=self._left())

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Show the validation metrics, in percent."""
        del pl_module
        shown = {
            name.removeprefix("val/"): 100 * float(value)
            for name, value in trainer.callback_metrics.items()
            if name in ("val/P@1", "val/PSP@5", "val/R@5")
        }
        text = "  ".join(f"{name} {value:.2f}" for name, value in shown.items())
        self._update(metrics=text)
        if trainer.is_global_zero and self._shows("lines"):
            self._advance(trainer)  # by now with the validation
            epoch = f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}"
            parts = (self._stage, epoch, f"loss {_loss(trainer):.5f}", text, self._left())
            _log.info("%s", " · ".join(part for part in parts if part))

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Leave the finished bar in place."""
        del trainer, pl_module
        self._stop()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Give the terminal back."""
        del trainer, pl_module, exception
        self._stop()

    def _shows(self, mode: str) -> bool:
        chosen = self._mode
        if chosen == "auto":
            chosen = "bar" if sys.stderr.isatty() else "lines"
        return chosen == mode

    def _advance(self, trainer: Trainer) -> None:
        total = int(trainer.estimated_stepping_batches)
        self._pace.advance(self._stage, (trainer.max_epochs or 0) * trainer.global_step / max(total, 1))

    def _left(self) -> str:
        seconds = self._pace.seconds_left()
        return "" if seconds is None else f"run: about {in_words(seconds)} left"

    def _update(self, **shown: Any) -> None:  # noqa: ANN401 - Rich's signature
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], **shown)

    def _stop(self) -> None:
        if self._bar is not None and self._bar.live.is_started:  # else it would print an empty line
            self._bar.stop()


def _loss(trainer: Trainer) -> float:
    return float(trainer.callback_metrics["train/loss"])
