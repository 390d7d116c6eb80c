"""Use no tracker."""

from collections.abc import Mapping

from xcgraph.tracking.tracker import RunEnd, RunStart


class NoTracker:
    """Records nothing. Each stage still writes its ``curves.csv``."""

    def start(self, run: RunStart) -> None:
        """Do nothing."""

    def log(self, stage: str, row: Mapping[str, float | int]) -> None:
        """Do nothing."""

    def finish(self, end: RunEnd) -> None:
        """Do nothing."""
