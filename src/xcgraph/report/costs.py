"""What a run's training took, stage by stage."""

import csv
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xcgraph.runs.folder import RunFolder


def stage_seconds(run: RunFolder) -> dict[str, float]:
    """Return what making each stage took, by its name, whichever run made it.

    ``run.json`` has the seconds of all stages; of older runs, the curves have those of the epochs. The
    seconds of the whole run would be those of a run that found its stages in the store already.
    """
    noted = {name: cost.get("seconds") for name, cost in _stage_costs(run).items()}
    seconds = {stage: noted.get(stage) or _epoch_seconds(run.path / "stages" / stage) for stage in run.stages}
    return {stage: float(found) for stage, found in seconds.items() if found is not None}


def stage_groups(run: RunFolder) -> dict[str, float]:
    """Return seconds per kind of stage: those of all trees are one."""
    groups: dict[str, float] = {}
    for stage, seconds in stage_seconds(run).items():
        kind = re.sub(r"^tree-\d+-", "", stage)
        groups[kind] = groups.get(kind, 0.0) + seconds
    return groups


def training_seconds(run: RunFolder) -> float:
    """Return the seconds of all epochs of all stages; 0 if no stage tells."""
    return math.fsum(stage_seconds(run).values())


def peak_memory(run: RunFolder) -> float | None:
    """Return the largest peak memory, MiB, of the run's process and of those that made its stages."""
    noted = [run.facts, *_stage_costs(run).values()]
    found = [
        cost["peak_memory_mib"] for cost in noted if isinstance(cost.get("peak_memory_mib"), int | float)
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
