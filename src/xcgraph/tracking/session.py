"""A run and its tracker: begun, told of every epoch once, and always finished."""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from xcgraph.tracking.tracker import RunEnd, RunStart, Tracker

_log = logging.getLogger(__name__)

Metrics = dict[str, dict[str, float]]


class Session:
    """Tells a tracker of a run.

    A tracker that fails while the run goes on is left alone from then on, with a warning.

    Args:
        tracker: whom to tell.
        run: what is known before it begins.
    """

    def __init__(self, tracker: Tracker, run: RunStart) -> None:
        self._tracker, self._run = tracker, run
        self._told: dict[str, int] = {}
        self._gave_up = False

    def follow(self, execute: Callable[[], Metrics]) -> Metrics:
        """Run and return the metrics; the tracker is finished whatever happens, Ctrl-C included.

        Raises:
            UserError: the tracker cannot start.
        """
        try:
            self._tracker.start(self._run)
            metrics = execute()
        except BaseException as error:
            self._attempt(self._tracker.finish, RunEnd(error=str(error) or type(error).__name__))
            raise
        self._attempt(self._tracker.finish, RunEnd(metrics=metrics))
        return metrics

    def report(self, stage: str, rows: Sequence[Mapping[str, float | int]]) -> None:
        """Take all epochs of a stage so far; the tracker hears of those it was not told of before."""
        new = rows[self._told.get(stage, 0) :]
        self._told[stage] = len(rows)
        for row in new:
            if not self._gave_up:
                self._gave_up = not self._attempt(self._tracker.log, stage, row)

    def _attempt(self, step: Callable[..., None], *told: Any) -> bool:  # noqa: ANN401 - what the step takes
        """Return whether a step of the tracker has gone well."""
        try:
            step(*told)
        except Exception as error:  # whatever its library raises
            _log.warning("%s failed; the run goes on: %s", type(self._tracker).__name__, error)
            return False
        return True
