"""CPU seconds of --help of each command, and of the commands that show a config.

python -m benchmarks.startup --runs 5
"""

import argparse
import json
import resource
import subprocess
import sys
from collections.abc import Sequence
from statistics import median

COMMANDS = {
    **{
        f"xcgraph-{name} --help": (name, "--help")
        for name in ("train", "evaluate", "data", "export", "predict", "serve", "report", "reproduce")
    },
    "xcgraph-train --cfg job": ("train", "--cfg", "job"),
    "xcgraph-train num_tree=1 (refused)": ("train", "num_tree=1"),
}


def cpu_seconds(arguments: Sequence[str], runs: int) -> float:
    """Return the median CPU seconds, user and system, of a command.

    Args:
        arguments: name of the command's module in ``xcgraph.cli`` and the arguments of the command.
        runs: how often the command runs. One run more comes first, to fill the cache of the disk.
    """
    module, *rest = arguments
    return median([_run(module, rest) for _ in range(runs + 1)][1:])


def _run(module: str, arguments: Sequence[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", f"xcgraph.cli.{module}", *arguments]
    subprocess.run(command, check=False, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure all commands and print one line of JSON."""
    parser = argparse.ArgumentParser(
        description="CPU seconds of --help of each command, median of several runs."
    )
    parser.add_argument("--runs", type=int, default=5, help="runs of each command (%(default)s)")
    options = parser.parse_args(arguments)
    found = {name: round(cpu_seconds(command, options.runs), 3) for name, command in COMMANDS.items()}
    sys.stdout.write(f"{json.dumps(found, indent=1)}\n")


if __name__ == "__main__":
    main()
