"""All stages' epochs in one table of the run folder."""

import csv
from collections.abc import Mapping
from pathlib import Path

from xcgraph.storage.atomic_files import publish
from xcgraph.tracking.tracker import RunEnd, RunStart

EPOCHS = "epochs.csv"


class CsvTracker:
    """Writes ``epochs.csv``, a line per stage, epoch and metric: what plots and data frames take in one go.

    The ``curves.csv`` of each stage, from which it is made, is there with any tracker.
    """

    def __init__(self) -> None:
        self._path: Path | None = None

    def start(self, run: RunStart) -> None:
        """Begin the table anew."""
        self._path = run.folder / EPOCHS
        with publish(self._path), self._path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerow(("stage", "epoch", "metric", "value"))

    def log(self, stage: str, row: Mapping[str, float | int]) -> None:
        """Add an epoch's metrics."""
        if self._path is not None:
            lines = [(stage, int(row["epoch"]), *item) for item in row.items() if item[0] != "epoch"]
            with self._path.open("a", newline="", encoding="utf-8") as file:
                csv.writer(file, lineterminator="\n").writerows(lines)

    def finish(self, end: RunEnd) -> None:
        """Do nothing: every line is written already."""
