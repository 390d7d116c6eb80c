"""Connects a run to its tracker: start it, report each epoch once, always finish it."""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from xcgraph.tracking.tracker import RunEnd, RunStart, Tracker

_log = logging.getLogger(__name__)

Metrics = dict[str, dict[str, float]]


class Session:
    """Reports a run to a tracker.

    If the tracker fails during the run, the session logs a warning and reports no more epochs.

    Args:
        tracker: tracker to report to.
        run: what is known of the run when it begins.
    """

    def __init__(self, tracker: Tracker, run: RunStart) -> None:
        self._tracker, self._run = tracker, run
        self._num_reported: dict[str, int] = {}
        self._gave_up = False

    def follow(self, execute: Callable[[], Metrics]) -> Metrics:
        """Execute the run and return its metrics. The tracker is finished in any case, Ctrl-C included.

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
        """Take all epochs of a stage so far and pass the new ones to the tracker."""
        new = rows[self._num_reported.get(stage, 0) :]
        self._num_reported[stage] = len(rows)
        for row in new:
            if not self._gave_up:
                self._gave_up = not self._attempt(self._tracker.log, stage, row)

    def _attempt(self, step: Callable[..., None], *arguments: Any) -> bool:  # noqa: ANN401 - differs by step
        """Call a method of the tracker and return whether it succeeded."""
        try:
            step(*arguments)
        except Exception as error:  # a tracker's library may raise anything
            _log.warning("%s failed; the run goes on: %s", type(self._tracker).__name__, error)
            return False
        return True
