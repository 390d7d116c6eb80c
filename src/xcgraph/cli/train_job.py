"""The job of xcgraph-train: check the config, run the recipe, store and print the metrics."""

import logging
import math
import shlex
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from xcgraph.cli.check import build
from xcgraph.cli.journal import current_sweep
from xcgraph.cli.places import settle_paths
from xcgraph.cli.results import (
    Results,
    find_results,
    forget_results_elsewhere,
    move_old_results,
    note_results_elsewhere,
    share_data,
)
from xcgraph.cli.statistics import print_metrics
from xcgraph.cli.sweep import cell_key, cell_lock
from xcgraph.errors import UserError
from xcgraph.identity import NOT_IN_A_CELL
from xcgraph.runs.provenance import RunOrigin
from xcgraph.runs.run import Run
from xcgraph.saved_runs.build import build_node
from xcgraph.storage.artifacts import write_atomically
from xcgraph.tracking.session import Metrics, Session
from xcgraph.tracking.tracker import RunStart

_log = logging.getLogger(__name__)


def train(config: DictConfig) -> float:
    """Train, and return the metric that a sweeper optimizes: P@1 on the validation points."""
    hydra = HydraConfig.get()
    config = settle_paths(config, written=("root", "run", "artifacts", "converted"))
    run: Run = build(config, hydra.overrides.task)
    share_data(config.data, run.data)
    if run.processes.are_many and hydra.mode is RunMode.MULTIRUN:
        raise UserError(
            "-m starts cells in this process alone and cannot use strategy=ddp, which starts others; take "
            "trainer=ddp_spawn."
        )
    if not run.processes.is_first:
        if _find(run, config).metrics is None:
            run.execute()
        return math.nan
    with cell_lock(Path(run.folder)):
        metrics = _metrics(run, config)
    shown = "test" if metrics["test"] else "validation"  # A data set may have no test points.
    print_metrics(f"{config.name} on {config.data.name}, {shown} points", metrics[shown])
    _log.info("Run folder: %s", run.folder)
    return metrics["validation"]["P@1"]


def _metrics(run: Run, config: DictConfig) -> Metrics:
    """Return the metrics of a finished run with this config, or run it.

    Raises:
        UserError: the folder has the results of a run with another config.
    """
    folder = Path(run.folder)
    found = _find(run, config)
    if found.is_other_config:
        raise UserError(
            f"{folder}: expected a folder without results, found the results of a run with another config, "
            "perhaps of a run that began in the same second. Give the command again, or name another "
            "hydra.run.dir."
        )
    if found.metrics is not None and found.folder == folder:
        _log.info("Finished before: nothing to do.")
        return found.metrics
    if found.refusal:
        _log.info("The results in %s are %s: running again.", folder, found.refusal)
    move_old_results(folder)
    if found.metrics is not None:
        note_results_elsewhere(folder, found.folder)
        _log.info("Finished before, on the same data at another path, in %s: nothing to do.", found.folder)
        return found.metrics
    forget_results_elsewhere(folder)
    write_atomically(folder / "config.yaml", OmegaConf.to_yaml(config, resolve=True))
    session = Session(build_node(config.logger), describe_start(config, run.folder))
    return session.follow(lambda: run.execute(_find_origin(), session.report))


def _find(run: Run, config: DictConfig) -> Results:
    return find_results(Path(run.folder), config, lambda: run.data.data)


def _find_origin() -> RunOrigin:
    """Return the command of this job. For a cell of a sweep, it is the command that runs this cell alone."""
    hydra = HydraConfig.get()
    overrides = tuple(hydra.overrides.task)
    folders = [source.path for source in hydra.runtime.config_sources if source.provider == "command-line"]
    options = [part for folder in folders for part in ("--config-dir", folder)]
    return RunOrigin(command=shlex.join(["xcgraph-train", *options, *overrides]), overrides=overrides)


def describe_start(config: DictConfig, folder: str) -> RunStart:
    """Describe the run for a tracker. Its tags are the overrides that change a result."""
    hydra = HydraConfig.get()
    stripped = (override.lstrip("+~") for override in hydra.overrides.task)
    tags = tuple(tag for tag in stripped if tag.partition("=")[0].partition(".")[0] not in NOT_IN_A_CELL)
    plain: Any = OmegaConf.to_container(config, resolve=True)
    del plain["run"]  # It repeats the other nodes.
    choices = hydra.runtime.choices
    named = {group: option for group, option in choices.items() if option and "hydra" not in group}
    plain["choices"] = {group: option for group, option in named.items() if "_shared" not in group}
    seedless = config.copy()
    seedless.seed = 0
    plain["seedless_key"] = cell_key(seedless)
    experiment = choices.get("experiment") or choices.get("recipe") or config.name
    return RunStart(
        name=" ".join([config.name, *tags]),
        group=current_sweep(),
        job_type=str(experiment).rpartition("/")[2],
        tags=tags,
        config=plain,
        folder=Path(folder),
    )
