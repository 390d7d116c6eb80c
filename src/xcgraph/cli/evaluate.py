"""xcgraph-evaluate: measure a file of predictions against the test points of a data set."""

import sys
from typing import TYPE_CHECKING

from xcgraph.cli.help import EVALUATE_HELP, wants_help, write_help

if TYPE_CHECKING:
    from omegaconf import DictConfig


def run_evaluate(config: "DictConfig") -> None:
    """Measure what a composed config describes, and print the table."""
    from xcgraph.cli.command import run_job
    from xcgraph.cli.evaluate_job import evaluate

    run_job(evaluate, config)


def main() -> None:
    """Enter from the console."""
    if wants_help(sys.argv[1:]):
        write_help(EVALUATE_HELP, sys.argv[1:])
        return
    import hydra

    from xcgraph.cli import sweep  # noqa: F401 - registers the resolver that checks paths.root
    from xcgraph.cli.arguments import prepare_arguments
    from xcgraph.cli.command import run_config_command

    with_config = hydra.main(version_base="1.3", config_path="pkg://xcgraph.conf", config_name="evaluate")

    def enter() -> None:
        sys.argv[1:] = prepare_arguments(sys.argv[1:])
        with_config(run_evaluate)()

    run_config_command(enter, "evaluate")


if __name__ == "__main__":
    main()
