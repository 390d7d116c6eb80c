"""xcgraph-train: fit a recipe, score the test points, print and store the metrics."""

import logging
from pathlib import Path

import hydra
from omegaconf import DictConfig, OmegaConf

from xcgraph.artifacts import write_atomically
from xcgraph.cli.check import build
from xcgraph.cli.command import run_command, run_job
from xcgraph.cli.origin import describe_start, find_origin
from xcgraph.cli.sweep import finished_metrics
from xcgraph.cli.tables import print_metrics
from xcgraph.configured.build import build_node
from xcgraph.pipeline.run import Run
from xcgraph.tracking.session import Session

_log = logging.getLogger(__name__)


def train(config: DictConfig) -> float:
    """Return the metric that a sweeper optimises: P@1 on the validation points."""
    run: Run = build(config, "train")
    metrics = finished_metrics(Path(run.folder), config)
    if metrics is None:
        write_atomically(Path(run.folder) / "config.yaml", OmegaConf.to_yaml(config, resolve=True))
        session = Session(build_node(config.logger), describe_start(config, run.folder))
        metrics = session.follow(lambda: run.execute(find_origin(), session.report))
    else:
        _log.info("Finished before: nothing to do.")
    shown = "test" if metrics["test"] else "validation"  # a data set may come without test points
    print_metrics(f"{config.name} on {config.data.name}, {shown} points", metrics[shown])
    _log.info("Run folder: %s", run.folder)
    return metrics["validation"]["P@1"]


@hydra.main(version_base="1.3", config_path="pkg://xcgraph.conf", config_name="train")
def _entry(config: DictConfig) -> float:
    return run_job(train, config)


def main() -> None:
    """Enter from the console."""
    run_command(_entry)


if __name__ == "__main__":
    main()
