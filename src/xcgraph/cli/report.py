"""xcgraph-report: tables, statistics and figures of finished runs, as Markdown and one HTML page."""

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from xcgraph.cli.command import add_trust, hush_libraries, run_command
from xcgraph.cli.failures import RecoveryHints
from xcgraph.report.html import render_html
from xcgraph.report.markdown import render_markdown
from xcgraph.report.report import BASE, build_report, write_files
from xcgraph.saved_runs.sources import ConfigSources
from xcgraph.storage.temp_folders import temp_folder

_ADVICE = RecoveryHints(interrupted="the report that was there before is still there", output="--out")


def report(options: argparse.Namespace) -> None:
    """Write the report."""
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
        description="Tables, statistics and figures of finished runs, as Markdown and one HTML page.",
    )
    parser.add_argument(
        "runs", nargs="+", metavar="RUNS", help="run folders, or folders that contain some at any depth"
    )
    parser.add_argument(
        "--out", metavar="DIR", required=True, help="gets report.md, report.html and figures/"
    )
    parser.add_argument(
        "--base", metavar="NAME", help=f"the experiment that others are compared with (default: {BASE})"
    )
    add_trust(parser)
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Enter from the console."""
    options = build_parser().parse_args(arguments)
    logging.basicConfig(format="%(message)s")
    hush_libraries()
    run_command(lambda: report(options), _ADVICE)


if __name__ == "__main__":
    main()
