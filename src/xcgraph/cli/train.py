"""xcgraph-train: fit a recipe, score the test points, print and store the metrics."""

import logging
import math
import shlex
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from xcgraph.cli.check import build
from xcgraph.cli.command import run_command, run_job
from xcgraph.cli.statistics import print_metrics
from xcgraph.cli.sweep import cell_key, cell_lock, current_sweep, finished_metrics
from xcgraph.errors import UserError
from xcgraph.identity import NOT_IN_A_CELL
from xcgraph.runs.provenance import RunOrigin
from xcgraph.runs.run import Run
from xcgraph.saved_runs.build import build_node
from xcgraph.storage.artifacts import write_atomically
from xcgraph.tracking.session import Metrics, Session
from xcgraph.tracking.tracker import RunStart


def find_origin() -> RunOrigin:
    """Describe the command of this job; of a sweep's cell, the one that runs it alone."""
    hydra = HydraConfig.get()
    overrides = tuple(hydra.overrides.task)
    folders = [source.path for source in hydra.runtime.config_sources if source.provider == "command-line"]
    options = [part for folder in folders for part in ("--config-dir", folder)]
    return RunOrigin(command=shlex.join(["xcgraph-train", *options, *overrides]), overrides=overrides)


def describe_start(config: DictConfig, folder: str) -> RunStart:
    """Tell a tracker what begins: tags are the overrides that a result depends on."""
    hydra = HydraConfig.get()
    stripped = (override.lstrip("+~") for override in hydra.overrides.task)
    tags = tuple(tag for tag in stripped if tag.partition("=")[0].partition(".")[0] not in NOT_IN_A_CELL)
    plain: Any = OmegaConf.to_container(config, resolve=True)
    del plain["run"]  # it repeats the other groups
    choices = hydra.runtime.choices.items()
    plain["choices"] = {group: name for group, name in choices if name and not group.startswith("hydra")}
    seedless = config.copy()
    seedless.seed = 0
    plain["seedless_key"] = cell_key(seedless)
    return RunStart(
        name=" ".join([config.name, *tags]),
        group=current_sweep(),
        job_type=str(hydra.runtime.choices.get("experiment")),
        tags=tags,
        config=plain,
        folder=Path(folder),
    )


_log = logging.getLogger(__name__)


def train(config: DictConfig) -> float:
    """Return the metric that a sweeper optimises: P@1 on the validation points."""
    run: Run = build(config, "train")
    if run.processes.are_many and HydraConfig.get().mode is RunMode.MULTIRUN:
        raise UserError(
            "-m starts cells in this process alone, expected a Trainer that can be used so, found "
            "strategy=ddp; take trainer=ddp_spawn."
        )
    if not run.processes.is_first:
        if finished_metrics(Path(run.folder), config) is None:
            run.execute()
        return math.nan
    with cell_lock(Path(run.folder)):
        metrics = _metrics(run, config)
    shown = "test" if metrics["test"] else "validation"  # a data set may come without test points
    print_metrics(f"{config.name} on {config.data.name}, {shown} points", metrics[shown])
    _log.info("Run folder: %s", run.folder)
    return metrics["validation"]["P@1"]


def _metrics(run: Run, config: DictConfig) -> Metrics:
    """Run, unless it was done before.

    Raises:
        UserError: the folder has the results of a run with another config.
    """
    folder = Path(run.folder)
    found = finished_metrics(folder, config)
    if found is not None:
        _log.info("Finished before: nothing to do.")
        return found
    if (folder / "metrics.json").exists():
        raise UserError(
            f"{folder}: expected a folder without results, found those of a run with another config, perhaps "
            "of one that was started in the same second; give the command again, or another hydra.run.dir."
        )
    write_atomically(folder / "config.yaml", OmegaConf.to_yaml(config, resolve=True))
    session = Session(build_node(config.logger), describe_start(config, run.folder))
    return session.follow(lambda: run.execute(find_origin(), session.report))


@hydra.main(version_base="1.3", config_path="pkg://xcgraph.conf", config_name="train")
def _entry(config: DictConfig) -> float:
    return run_job(train, config)


def main() -> None:
    """Enter from the console."""
    run_command(_entry)


if __name__ == "__main__":
    main()
