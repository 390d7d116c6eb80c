"""xcgraph-reproduce: run what is missing of a suite, report on it, and compare it with recorded values.

What runs and reports is imported late: --help does not need it.
"""

import argparse
import logging
import sys
from collections.abc import Sequence

from xcgraph.cli.arguments import path_option
from xcgraph.cli.command import hush_libraries, run_command
from xcgraph.cli.failures import RecoveryHints

_HINTS = RecoveryHints(interrupted="the same command goes on where it was stopped", output="--root")


def build_parser() -> argparse.ArgumentParser:
    """Describe the options."""
    parser = argparse.ArgumentParser(
        prog="xcgraph-reproduce",
        description="Run what is missing of a suite, report on it, and compare it with recorded values.",
    )
    parser.add_argument(
        "--data", default="lf_wordnet_8k", help="data set, a folder of xcgraph/report/suites (%(default)s)"
    )
    parser.add_argument("--suite", default="main", help="suite, a file in that folder (%(default)s)")
    parser.add_argument(
        "--root", type=path_option, default="runs", help="folder of everything that is written (%(default)s)"
    )
    parser.add_argument("--out", metavar="DIR", type=path_option, help="folder of the report and the verdict")
    parser.add_argument(
        "--jobs", type=_count, help="runs at a time (default: as many as the cores and the memory hold)"
    )
    parser.add_argument("--plan", action="store_true", help="only show what would run")
    parser.add_argument(
        "--record", metavar="FILE", type=path_option, help="write the results as new recorded values"
    )
    return parser


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"expected a number of 1 or more, got {text!r}")
    return int(text)


def _run(options: argparse.Namespace) -> int:
    from xcgraph.cli.reproduce_job import reproduce

    hush_libraries()
    return reproduce(options)


def main(arguments: Sequence[str] | None = None) -> None:
    """Enter from the console."""
    options = build_parser().parse_args(arguments)
    logging.basicConfig(format="%(message)s")
    status: list[int] = []
    run_command(lambda: status.append(_run(options)), _HINTS)
    sys.exit(status[0])


if __name__ == "__main__":
    main()
