"""xcgraph-train: fit a recipe, score the test points, print and store the metrics."""

import logging
import math
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from xcgraph.artifacts import write_atomically
from xcgraph.cli.check import build
from xcgraph.cli.command import run_command, run_job
from xcgraph.cli.origin import describe_start, find_origin
from xcgraph.cli.sweep import cell_lock, finished_metrics
from xcgraph.cli.tables import print_metrics
from xcgraph.configured.build import build_node
from xcgraph.errors import UserError
from xcgraph.pipeline.run import Run
from xcgraph.tracking.session import Metrics, Session

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
