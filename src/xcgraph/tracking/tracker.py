"""The interface of experiment trackers, and what a tracker receives at the start and end of a run."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable


@dataclass(frozen=True, kw_only=True)
class RunStart:
    """What is known of a run when it begins.

    Attributes:
        name: readable name, such as ``eclare hops=2``.
        group: id of the sweep that the run is a cell of; None for a single run.
        job_type: name of the experiment.
        tags: overrides of the command that a result depends on, such as ``hops=2``.
        config: resolved config as plain values. ``choices`` holds the chosen option of each config group;
            ``seedless_key`` is equal for all runs that differ only in their seed.
        folder: run folder.
    """

    name: str
    group: str | None
    job_type: str
    tags: tuple[str, ...]
    config: Mapping[str, Any]
    folder: Path


@dataclass(frozen=True, kw_only=True)
class RunEnd:
    """How a run ended.

    Attributes:
        metrics: metrics as fractions, by split (``validation``, ``test``) and name; empty after a failure.
        error: message of the error that stopped the run; None if the run succeeded.
    """

    metrics: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    error: str | None = None

    @property
    def exit_code(self) -> int:
        """Zero if the run succeeded, else one."""
        return 0 if self.error is None else 1


@runtime_checkable
class Tracker(Protocol):
    """Follows a run. No result depends on a tracker."""

    def start(self, run: RunStart) -> None:
        """Begin to follow a run.

        Raises:
            UserError: the tracker lacks something that the user can provide.
        """

    def log(self, stage: str, row: Mapping[str, float | int]) -> None:
        """Record one epoch of a stage: ``epoch``, ``lr``, ``seconds``, loss and validation metrics."""

    def finish(self, end: RunEnd) -> None:
        """Finish the run. It is called exactly once, even if :meth:`start` failed."""
