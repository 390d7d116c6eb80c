"""Writes TensorBoard event files into the run folder."""

import json
from collections.abc import Mapping
from typing import Any

from xcgraph.errors import UserError
from xcgraph.tracking.tracker import RunEnd, RunStart

EVENTS = "tensorboard"


class TensorBoardTracker:
    """Writes scalars such as ``tree-0-ranker/val/P@1`` by epoch; ``tensorboard --logdir runs`` shows them."""

    def __init__(self) -> None:
        self._writer: Any = None

    def start(self, run: RunStart) -> None:
        """Open the event file and store the config as text.

        Raises:
            UserError: TensorBoard is not installed.
        """
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise UserError(
                "logger=tensorboard needs TensorBoard, got none: pip install 'xcgraph[tensorboard]'."
            ) from None
        self._writer = SummaryWriter(str(run.folder / EVENTS))
        self._writer.add_text("config", f"```json\n{json.dumps(run.config, indent=1, default=str)}\n```")

    def log(self, stage: str, row: Mapping[str, float | int]) -> None:
        """Add the metrics of one epoch; the stage is the prefix of each name."""
        for name, value in row.items():
            if name != "epoch":
                self._writer.add_scalar(f"{stage}/{name}", value, int(row["epoch"]))
        self._writer.flush()

    def finish(self, end: RunEnd) -> None:
        """Add the final metrics, such as ``test/P@1``, and close the file."""
        if self._writer is None:
            return
        for split, metrics in end.metrics.items():
            for name, value in metrics.items():
                self._writer.add_scalar(f"{split}/{name}", value)
        self._writer.close()
