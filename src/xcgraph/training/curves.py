"""Curves of a stage, with one row per epoch, also after a resume."""

import csv
import io
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer

from xcgraph.storage.artifacts import write_atomically

CURVES = "curves.csv"

# Called with the name of a stage and the rows of all epochs so far.
Report = Callable[[str, Sequence[Mapping[str, float | int]]], None]


class EpochCurves(Callback):
    """Writes a CSV file with one row per epoch; checkpoints include the rows.

    Lightning's CSVLogger starts an empty file on resume. After a resume, the file of this callback equals the
    file of an uninterrupted run, except for the seconds.

    Args:
        path: the CSV file.
        report: called with all rows so far, after each epoch. It is not pickled, so a spawned process does
            not call it.
    """

    def __init__(
        self, path: Path, report: Callable[[Sequence[Mapping[str, float | int]]], None] | None = None
    ) -> None:
        self._path = path
        self._report = report
        self._rows: list[dict[str, float | int]] = []
        self._started = time.perf_counter()

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock."""
        del trainer, pl_module
        self._started = time.perf_counter()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Add a row with epoch, learning rate, seconds, training loss and validation metrics."""
        del pl_module
        if not trainer.is_global_zero:  # the metrics of the other processes are equal
            return
        values = {name: float(value) for name, value in trainer.callback_metrics.items()}
        row = {
            "epoch": trainer.current_epoch + 1,
            "lr": float(trainer.optimizers[0].param_groups[0]["lr"]),
            "seconds": time.perf_counter() - self._started,
            **values,
        }
        self._rows.append(row)
        text = io.StringIO()
        writer = csv.DictWriter(text, list(row), lineterminator="\n")
        writer.writeheader()
        writer.writerows(self._rows)
        write_atomically(self._path, text.getvalue())
        if self._report is not None:
            self._report(self._rows)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the report callback, which may hold connections."""
        return {**self.__dict__, "_report": None}

    def state_dict(self) -> dict[str, Any]:
        """Return the rows so far."""
        return {"rows": list(self._rows)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the rows of the epochs before the resume."""
        self._rows = list(state_dict["rows"])


def read_curves(path: Path) -> list[dict[str, float]]:
    """Read the rows of a file of :class:`EpochCurves`."""
    with path.open(newline="", encoding="utf-8") as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
