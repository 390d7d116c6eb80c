"""Who looks on while a run goes, and is told of its stages."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from xcgraph.artifacts import Artifact
from xcgraph.errors import UserError
from xcgraph.pipeline.curves import CURVES, Report, read_curves
from xcgraph.pipeline.pace import Pace
from xcgraph.pipeline.progress import MODES, StageProgress

_log = logging.getLogger(__name__)


def tell_nobody(stage: str, rows: Sequence[Mapping[str, float | int]]) -> None:
    """Take a stage's epochs and do nothing."""


def check_mode(mode: str) -> None:
    """Refuse what is no way to show progress.

    Raises:
        UserError: it is none.
    """
    if mode not in MODES:
        raise UserError(f"progress must be one of {', '.join(MODES)}, got {mode}.")


@dataclass(frozen=True, kw_only=True)
class Watch:
    """Who looks on while a run goes; no result depends on it.

    Attributes:
        mode: how progress is shown, one of ``progress.MODES``.
        report: takes a stage's name and the rows of its curves so far, after each epoch and at its end.
        pace: estimates the time left.
    """

    mode: str = "auto"
    report: Report = tell_nobody
    pace: Pace = field(default_factory=lambda: Pace({}))

    def progress(self, stage: str) -> StageProgress:
        """Make what shows the progress of a stage."""
        return StageProgress(stage, self.mode, self.pace)

    def end_stage(self, stage: str, artifact: Artifact) -> None:
        """Take a trained stage, made by this run or by one before: its epochs are reported in either case."""
        self.pace.finish(stage)
        self.report(stage, read_curves(artifact.path(CURVES)))
        if not artifact.made and self.mode != "quiet":
            _log.info("%s · taken from an earlier run", stage)
