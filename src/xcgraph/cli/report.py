"""xcgraph-report: tables, statistics and figures of finished runs, as Markdown and one HTML page.

What reports is imported late: --help does not need it.
"""

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

from xcgraph.cli.arguments import path_option
from xcgraph.cli.command import add_trust, hush_libraries, run_command
from xcgraph.cli.failures import RecoveryHints
from xcgraph.storage.user_paths import output_folder

_HINTS = RecoveryHints(interrupted="the report that was there before is still there", output="--out")


def report(options: argparse.Namespace) -> None:
    """Write the report."""
    from rich.console import Console

    from xcgraph.report.html import render_html
    from xcgraph.report.markdown import render_markdown
    from xcgraph.report.report import build_report, write_files
    from xcgraph.saved_runs.sources import ConfigSources
    from xcgraph.storage.temp_folders import temp_folder

    output_folder(options.out, "--out")
    hush_libraries()
    with temp_folder("report") as cache:
        sources = ConfigSources(options.trust, cache)
        found = build_report([Path(place) for place in options.runs], sources, base=options.base)
    out = Path(options.out)
    write_files(out, {**render_markdown(found), **render_html(found)})
    lines = f"{found.summary}\nWritten: {out / 'report.md'} and {out / 'report.html'}"
    Console().print(lines, markup=False, highlight=False, soft_wrap=True)


def build_parser() -> argparse.ArgumentParser:
    """Describe the options."""
    parser = argparse.ArgumentParser(
        prog="xcgraph-report",
        description="Write tables, statistics and figures of finished runs, as Markdown and one HTML page.",
    )
    parser.add_argument(
        "runs",
        nargs="+",
        metavar="RUNS",
        type=path_option,
        help="run folders, or folders with run folders at any depth",
    )
    parser.add_argument(
        "--out",
        metavar="DIR",
        type=path_option,
        required=True,
        help="folder of report.md, report.html and figures/",
    )
    parser.add_argument(
        "--base", metavar="NAME", help="the experiment that others are compared with (default: eclare)"
    )
    add_trust(parser)
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Enter from the console."""
    options = build_parser().parse_args(arguments)
    logging.basicConfig(format="%(message)s")
    run_command(lambda: report(options), _HINTS)


if __name__ == "__main__":
    main()
