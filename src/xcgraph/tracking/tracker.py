"""What a tracker is told, and what it is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable


@dataclass(frozen=True, kw_only=True)
class RunStart:
    """A run that begins.

    Attributes:
        name: for people, such as ``eclare hops=2``.
        group: the sweep that it is a cell of; None for a single run.
        job_type: the name of its experiment.
        tags: what its command changes, such as ``hops=2``.
        config: the resolved config, as plain values.
        folder: its folder.
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
        metrics: as fractions, of the validation and of the test points; empty after a failure.
        error: what stopped it; None if nothing did.
    """

    metrics: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    error: str | None = None

    @property
    def exit_code(self) -> int:
        """Zero if nothing stopped the run, else one."""
        return 0 if self.error is None else 1


@runtime_checkable
class Tracker(Protocol):
    """Is told how a run goes. No result depends on it."""

    def start(self, run: RunStart) -> None:
        """Begin a run.

        Raises:
            UserError: the user can mend what it lacks.
        """

    def log(self, stage: str, row: Mapping[str, float | int]) -> None:
        """Take a finished epoch of a stage: ``epoch``, ``lr``, ``seconds``, loss and validation metrics."""

    def finish(self, end: RunEnd) -> None:
        """End the run; it is called once, also when :meth:`start` has failed."""
