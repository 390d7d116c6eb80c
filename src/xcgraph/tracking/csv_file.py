"""Writes the epochs of all stages into one table in the run folder."""

import csv
from collections.abc import Mapping
from pathlib import Path

from xcgraph.storage.atomic_files import publish
from xcgraph.tracking.tracker import RunEnd, RunStart

EPOCHS = "epochs.csv"


class CsvTracker:
    """Writes ``epochs.csv`` with one line per stage, epoch and metric, ready for plots and data frames.

    Each stage writes its own ``curves.csv`` with any tracker.
    """

    def __init__(self) -> None:
        self._path: Path | None = None

    def start(self, run: RunStart) -> None:
        """Write the header. A table that is there already is replaced."""
        self._path = run.folder / EPOCHS
        with publish(self._path), self._path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerow(("stage", "epoch", "metric", "value"))

    def log(self, stage: str, row: Mapping[str, float | int]) -> None:
        """Append the metrics of one epoch."""
        if self._path is not None:
            lines = [(stage, int(row["epoch"]), *item) for item in row.items() if item[0] != "epoch"]
            with self._path.open("a", newline="", encoding="utf-8") as file:
                csv.writer(file, lineterminator="\n").writerows(lines)

    def finish(self, end: RunEnd) -> None:
        """Do nothing: all lines are written already."""
