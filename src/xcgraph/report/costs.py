"""What a run's training took, from the curves of its stages."""

import csv
import math
from pathlib import Path

from xcgraph.report.runs import RunFolder


def stage_seconds(run: RunFolder) -> dict[str, float]:
    """Return the seconds of all epochs of each trained stage, by its name.

    They were counted when the stage was trained; the seconds of the whole run would be those of a run
    that found its stages in the store already.
    """
    seconds = {stage: _epoch_seconds(run.path / "stages" / stage / "curves.csv") for stage in run.stages}
    return {stage: found for stage, found in seconds.items() if found is not None}


def stage_groups(run: RunFolder) -> dict[str, float]:
    """Return seconds per kind of stage: those of all trees are one."""
    groups: dict[str, float] = {}
    for stage, seconds in stage_seconds(run).items():
        kind = stage.rpartition("-")[2]
        groups[kind] = groups.get(kind, 0.0) + seconds
    return groups


def training_seconds(run: RunFolder) -> float:
    """Return the seconds of all epochs of all stages; 0 if no stage tells."""
    return math.fsum(stage_seconds(run).values())


def peak_memory(run: RunFolder) -> float | None:
    """Return the run's peak memory in MiB, if it was noted."""
    found = run.facts.get("peak_memory_mib")
    return float(found) if isinstance(found, int | float) else None


def _epoch_seconds(path: Path) -> float | None:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return math.fsum(float(row["seconds"]) for row in csv.DictReader(file))
    except (OSError, KeyError, ValueError, TypeError):
        return None
