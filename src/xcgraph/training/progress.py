"""Progress of a run: estimates of the time left, bars and lines, and reports of finished stages."""

import logging
import re
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from xcgraph.errors import UserError
from xcgraph.storage.artifacts import Artifact
from xcgraph.training.curves import CURVES, Report, read_curves

_log = logging.getLogger(__name__)

MODES = ("auto", "bar", "lines", "quiet")


def ignore(stage: str, rows: Sequence[Mapping[str, float | int]]) -> None:
    """Do nothing with the rows of a stage."""


def check_mode(mode: str) -> None:
    """Check a mode of showing progress.

    Raises:
        UserError: the mode is not one of ``MODES``.
    """
    if mode not in MODES:
        raise UserError(f"progress must be one of {', '.join(MODES)}, got {mode}.")


class Pace:
    """Estimates the time left in the trainings of a run.

    A future epoch is expected to take the mean time of the finished epochs of the same kind of stage, such as
    the rankers of all trees. If there are none, it is the mean over all finished epochs. The steps before
    each training, such as clusters and beams, are expected to take their mean time so far. The estimate does
    not include the final scoring.

    Args:
        epochs: number of epochs of each training of the run, by name.
        clock: returns the time in seconds.
    """

    def __init__(self, epochs: Mapping[str, int], clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._started = clock()
        self._total = dict(epochs)
        self._left: dict[str, float] = {stage: float(count) for stage, count in epochs.items()}
        self._begun: set[str] = set()
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._epochs: defaultdict[str, float] = defaultdict(float)
        self._mark: tuple[str, float, float] | None = None

    def advance(self, stage: str, epochs: float) -> None:
        """Record the number of finished epochs of a stage, including the epochs of earlier runs."""
        now = self._clock()
        if self._mark is not None and self._mark[0] == stage:
            self._seconds[_kind(stage)] += now - self._mark[2]
            self._epochs[_kind(stage)] += epochs - self._mark[1]
        self._mark = (stage, epochs, now)
        self._begun.add(stage)
        if stage in self._left:
            self._left[stage] = max(self._total[stage] - epochs, 0.0)

    def finish(self, stage: str) -> None:
        """Record that a stage is trained, or loaded from the store."""
        self._left.pop(stage, None)
        self._mark = None

    def seconds_left(self) -> float | None:
        """Return the estimate; None before the first epoch and after the last."""
        trained, done = sum(self._seconds.values()), sum(self._epochs.values())
        if done <= 0 or not self._left:
            return None
        between = max(self._clock() - self._started - trained, 0.0) / len(self._begun)
        return sum(
            left * self._seconds_per_epoch(stage, trained / done) + (0.0 if stage in self._begun else between)
            for stage, left in self._left.items()
        )

    def _seconds_per_epoch(self, stage: str, mean: float) -> float:
        kind = _kind(stage)
        return self._seconds[kind] / self._epochs[kind] if self._epochs[kind] > 0 else mean


def _kind(stage: str) -> str:
    """Return the name that the same stages of all trees share."""
    return re.sub(r"\d+", "*", stage)


def format_duration(seconds: float) -> str:
    """Round a duration for display: ``40 s``, ``12 min``, ``2.5 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


class StageProgress(Callback):
    """Shows a stage, its epoch, the time left in it and in the run, and the latest validation metrics.

    Args:
        stage: name to show, such as ``tree-0-ranker``.
        mode: ``bar``, ``lines`` (one per epoch) or ``quiet``; ``auto`` shows a bar on a terminal, and logs
            lines otherwise.
        pace: estimates the time left in the run.
    """

    def __init__(self, stage: str, mode: str = "auto", pace: Pace | None = None) -> None:
        self._stage = stage
        self._mode = mode
        self._pace = Pace({}) if pace is None else pace
        self._bar: Progress | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Create the bar, and show it on a terminal."""
        del pl_module
        if not trainer.is_global_zero:
            return
        # A bar holds locks, which cannot be pickled: the process that trains must create it.
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
        """Advance the bar by a step."""
        epoch = f"{self._stage} · epoch {trainer.current_epoch + 1}/{trainer.max_epochs}"
        self._advance(trainer)
        self._update(completed=trainer.global_step, description=epoch, left=self._left())

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Show the validation metrics in percent."""
        del pl_module
        shown = {
            name.removeprefix("val/"): 100 * float(value)
            for name, value in trainer.callback_metrics.items()
            if name in ("val/P@1", "val/PSP@5", "val/R@5")
        }
        text = "  ".join(f"{name} {value:.2f}" for name, value in shown.items())
        self._update(metrics=text)
        if trainer.is_global_zero and self._shows("lines"):
            self._advance(trainer)  # the time now includes the validation
            epoch = f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}"
            parts = (self._stage, epoch, f"loss {_loss(trainer):.5f}", text, self._left())
            _log.info("%s", " · ".join(part for part in parts if part))

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop the bar; it stays on the terminal."""
        del trainer, pl_module
        self._stop()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Stop the bar, so that it releases the terminal."""
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
        return "" if seconds is None else f"run: about {format_duration(seconds)} left"

    def _update(self, **shown: Any) -> None:  # noqa: ANN401 - Rich's signature
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], **shown)

    def _stop(self) -> None:
        if self._bar is not None and self._bar.live.is_started:  # stopping it twice would print an empty line
            self._bar.stop()


def _loss(trainer: Trainer) -> float:
    return float(trainer.callback_metrics["train/loss"])


@dataclass(frozen=True, kw_only=True)
class ProgressListener:
    """Shows and reports the progress of a run; no result depends on it.

    Attributes:
        mode: how to show progress, one of ``MODES``.
        report: called with a stage's name and all rows of its curves, after each epoch and at its end.
        pace: estimates the time left.
    """

    mode: str = "auto"
    report: Report = ignore
    pace: Pace = field(default_factory=lambda: Pace({}))

    def progress(self, stage: str) -> StageProgress:
        """Return the callback that shows the progress of a stage."""
        return StageProgress(stage, self.mode, self.pace)

    def end_stage(self, stage: str, artifact: Artifact) -> None:
        """Report all epochs of a finished stage, which this run or an earlier one has trained."""
        self.pace.finish(stage)
        self.report(stage, read_curves(artifact.path(CURVES)))
        if not artifact.made and self.mode != "quiet":
            _log.info("%s · taken from an earlier run", stage)
