"""What a person sees while a stage trains: a Rich bar on a terminal, a line per epoch in a log."""

import logging
import sys
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

_log = logging.getLogger(__name__)


class StageProgress(Callback):
    """Names the stage, its epoch, the time left in it and the newest validation metrics.

    Args:
        stage: the name to show, such as ``tree 1/3 · ranker``.
    """

    def __init__(self, stage: str) -> None:
        self._stage = stage
        self._bar: Progress | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Show the bar, where a person looks on."""
        del pl_module
        if not trainer.is_global_zero:
            return
        # Made in the process that trains: a bar holds locks, which cannot be sent to another.
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._bar = Progress(
            *columns, TextColumn("{task.fields[metrics]}"), console=Console(stderr=True), transient=False
        )
        total = int(trainer.estimated_stepping_batches)
        self._bar.add_task(self._stage, total=total, completed=trainer.global_step, metrics="")
        if sys.stderr.isatty():
            self._bar.start()

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:  # noqa: ANN401 - Lightning's signature
        """Advance by a step."""
        epoch = f"{self._stage} · epoch {trainer.current_epoch + 1}/{trainer.max_epochs}"
        self._update(completed=trainer.global_step, description=epoch)

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
        if trainer.is_global_zero and not sys.stderr.isatty():
            epoch = f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}"
            _log.info("%s · %s · loss %.5f · %s", self._stage, epoch, _loss(trainer), text)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Leave the finished bar in place."""
        del trainer, pl_module
        self._stop()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Give the terminal back."""
        del trainer, pl_module, exception
        self._stop()

    def _update(self, **shown: Any) -> None:  # noqa: ANN401 - Rich's signature
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], **shown)

    def _stop(self) -> None:
        if self._bar is not None and self._bar.live.is_started:  # else it would print an empty line
            self._bar.stop()


def _loss(trainer: Trainer) -> float:
    return float(trainer.callback_metrics["train/loss"])
