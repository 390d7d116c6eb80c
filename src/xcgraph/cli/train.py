"""xcgraph-train: train a recipe, score the test points, print and store the metrics.

What trains is imported late: --help and --cfg need neither torch nor Lightning.
"""

import sys
from typing import TYPE_CHECKING

from xcgraph.cli.help import TRAIN_HELP, wants_help, write_help

if TYPE_CHECKING:
    from omegaconf import DictConfig


def run_train(config: "DictConfig") -> float:
    """Train what a composed config describes. Hydra calls it, in other processes too."""
    from xcgraph.cli.command import run_job
    from xcgraph.cli.train_job import train

    return run_job(train, config)


def main() -> None:
    """Enter from the console."""
    if wants_help(sys.argv[1:]):
        write_help(TRAIN_HELP, sys.argv[1:])
        return
    import hydra

    from xcgraph.cli import sweep  # noqa: F401 - registers the resolvers that name the folders of runs
    from xcgraph.cli.arguments import prepare_arguments
    from xcgraph.cli.command import run_config_command

    with_config = hydra.main(version_base="1.3", config_path="pkg://xcgraph.conf", config_name="train")

    def enter() -> None:
        sys.argv[1:] = prepare_arguments(sys.argv[1:])
        with_config(run_train)()

    run_config_command(enter, "train")


if __name__ == "__main__":
    main()
