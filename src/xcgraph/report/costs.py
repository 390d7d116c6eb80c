"""Time and memory that a run's training took, by stage."""

import csv
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xcgraph.runs.folder import RunFolder


def stage_seconds(run: RunFolder) -> dict[str, float]:
    """Return the seconds that each stage took when it was made, in this run or in an earlier one.

    ``run.json`` has the seconds of all stages. For older runs, the seconds of the epochs in the curves are
    used. The seconds of the whole run do not help: a run that reuses its stages is fast.
    """
    recorded = {name: cost.get("seconds") for name, cost in _stage_costs(run).items()}
    seconds = {
        stage: recorded.get(stage) or _epoch_seconds(run.path / "stages" / stage) for stage in run.stages
    }
    return {stage: float(found) for stage, found in seconds.items() if found is not None}


def stage_groups(run: RunFolder) -> dict[str, float]:
    """Return seconds by kind of stage, summed over the trees."""
    groups: dict[str, float] = {}
    for stage, seconds in stage_seconds(run).items():
        kind = re.sub(r"^tree-\d+-", "", stage)
        groups[kind] = groups.get(kind, 0.0) + seconds
    return groups


def training_seconds(run: RunFolder) -> float:
    """Return the seconds of all stages; 0 if no stage recorded its time."""
    return math.fsum(stage_seconds(run).values())


def peak_memory(run: RunFolder) -> float | None:
    """Return the largest peak memory in MiB of the processes that made the run and its stages."""
    recorded = [run.facts, *_stage_costs(run).values()]
    found = [
        cost["peak_memory_mib"] for cost in recorded if isinstance(cost.get("peak_memory_mib"), int | float)
    ]
    return float(max(found)) if found else None


def _stage_costs(run: RunFolder) -> dict[str, Mapping[str, Any]]:
    stages = run.facts.get("stages")
    costs = stages if isinstance(stages, Mapping) else {}
    return {name: cost for name, cost in costs.items() if isinstance(cost, Mapping)}


def _epoch_seconds(stage: Path) -> float | None:
    try:
        with (stage / "curves.csv").open(encoding="utf-8", newline="") as file:
            return math.fsum(float(row["seconds"]) for row in csv.DictReader(file))
    except (OSError, KeyError, ValueError, TypeError):
        return None
