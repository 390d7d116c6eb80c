"""Per-epoch curves of a stage, complete also after a resume."""

import csv
import io
import time
from pathlib import Path
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer

from xcgraph.artifacts import write_atomically


class EpochCurves(Callback):
    """Writes a CSV with a row per epoch; its rows travel in the checkpoint.

    Lightning's CSVLogger starts an empty file on resume; this callback's file after a resume equals the
    undisturbed one, but for the seconds.

    Args:
        path: the CSV file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rows: list[dict[str, float]] = []
        self._started = time.perf_counter()

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock."""
        del trainer, pl_module
        self._started = time.perf_counter()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Add a row: epoch, learning rate, seconds, training loss and validation metrics."""
        del pl_module
        if not trainer.is_global_zero:  # the others' metrics are the same, but for their seconds
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

    def state_dict(self) -> dict[str, Any]:
        """Return the rows so far."""
        return {"rows": list(self._rows)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the rows of the epochs before the resume."""
        self._rows = list(state_dict["rows"])
