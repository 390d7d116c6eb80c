"""The job of xcgraph-reproduce: train the missing runs of a suite, write the report and the verdict."""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ALL_COMPLETED, FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table as Printed

from xcgraph.cli.failures import USER_ERROR
from xcgraph.cli.suite import CellRun, Suite, find_cell_runs, read_suite
from xcgraph.errors import UserError
from xcgraph.report.html import render_html
from xcgraph.report.markdown import render_markdown, table_lines
from xcgraph.report.published import published_rows
from xcgraph.report.report import build_report, write_files
from xcgraph.report.verdict import (
    Comparison,
    Recorded,
    compare_published,
    compare_recorded,
    read_recorded,
    verdict_table,
    write_recorded,
)
from xcgraph.saved_runs.sources import ConfigSources
from xcgraph.storage.temp_folders import temp_folder
from xcgraph.storage.user_paths import output_folder

OUTSIDE = 1

_console = Console()


def reproduce(options: argparse.Namespace) -> int:
    """Train the missing runs, write the report, judge the results; return the exit status."""
    suite, recorded = read_suite(options.data, options.suite), read_recorded(options.data, options.suite)
    if not options.plan:
        for given, name in ((options.root, "--root"), (options.out, "--out")):
            if given is not None:
                output_folder(given, name)
    root = Path(options.root, "reproduce")
    runs = find_cell_runs(suite, str(root))
    missing = [run for run in runs if run.metrics is None]
    _show_plan(suite, runs, recorded)
    if options.plan:
        return 0
    failed = _train(missing, recorded.seconds if recorded else {}, options.jobs or suite.default_jobs())
    runs = find_cell_runs(suite, str(root)) if missing else runs
    out = Path(options.out or root / f"{options.data}-{options.suite}")
    found = _metrics(runs)
    if missing or options.out or not (out / "report.html").exists():
        _report(runs, suite, out)
    comparisons = _compare(found, suite, recorded, runs)
    write_files(out, {"verdict.md": "\n".join(table_lines(verdict_table(comparisons))) + "\n"})
    _say(f"Report: {out / 'report.html'}; every comparison: {out / 'verdict.md'}.")
    if options.record:
        write_recorded(Path(options.record), found, _seconds(runs))
    return _judge(comparisons, failed)


def _show_plan(suite: Suite, runs: Sequence[CellRun], recorded: Recorded | None) -> None:
    """Print what will run, and how long it took when the values were recorded."""
    missing = [run for run in runs if run.metrics is None]
    if not missing:
        _say(f"All {len(runs)} runs are finished: nothing to train.")
        return
    seconds = recorded.seconds if recorded else {}
    table = Printed("cell", "seeds to run", "minutes")
    for cell in suite.cells:
        seeds = [str(run.seed) for run in missing if run.cell == cell]
        minutes = f"{seconds[cell] * len(seeds) / 60:.1f}" if cell in seconds else "unknown"
        table.add_row(cell, ", ".join(seeds) or "none", minutes if seeds else "0")
    _console.print(table)
    total = sum(seconds.get(run.cell, 0.0) for run in missing)
    for run in missing:
        if run.refusal:
            _say(f"{run.cell} seed={run.seed}: the results in {run.folder} are {run.refusal}.")
    known = all(run.cell in seconds for run in missing)
    least = "" if known else "at least "
    _say(f"{len(missing)} of {len(runs)} runs are missing: {least}{total / 60:.0f} min as recorded.")


def _train(missing: Sequence[CellRun], recorded: Mapping[str, float], jobs: int) -> list[CellRun]:
    """Train the runs and print the progress of the suite before each; return the failed runs.

    Args:
        missing: the runs, in this order.
        recorded: seconds of a run by cell, as recorded.
        jobs: runs at a time. Each has its own process and threads, so results do not depend on this number.
    """
    ended: list[CellRun] = []
    failed: list[CellRun] = []
    running: dict[Future[bool], CellRun] = {}
    start = time.monotonic()

    def settle(until: str) -> None:
        for future in wait(running, return_when=until).done:
            run = running.pop(future)
            if not future.result():
                failed.append(run)
            ended.append(run)

    with ThreadPoolExecutor(jobs) as pool:
        for run in missing:
            if len(running) == jobs:
                settle(FIRST_COMPLETED)
            rest = [each for each in missing if each not in ended]
            left = _minutes_left(ended, rest, recorded, time.monotonic() - start)
            state = f"{len(ended) - len(failed)} done, {len(failed)} failed, {len(rest)} to run{left}"
            _say(f"{state}: {run.cell} seed={run.seed}")
            running[pool.submit(_execute, run)] = run
        settle(ALL_COMPLETED)
    return failed


def _minutes_left(
    before: Sequence[CellRun], after: Sequence[CellRun], recorded: Mapping[str, float], taken: float
) -> str:
    """Estimate the time left from recorded times, scaled by the speed of this machine so far."""
    typical = sum(recorded.values()) / len(recorded) if recorded else 1.0
    past, future = (sum(recorded.get(run.cell, typical) for run in runs) for runs in (before, after))
    if not before:
        return f", about {future / 60:.0f} min" if recorded else ""
    return f", about {future * taken / past / 60:.0f} min"


def _execute(run: CellRun) -> bool:
    """Train one run in its own process; return whether it succeeded.

    Raises:
        UserError: the process refused its command, which would happen to the other runs too.
    """
    command = [sys.executable, "-m", "xcgraph.cli.train", *run.overrides, f"hydra.run.dir={run.folder}"]
    status = subprocess.run(command, check=False).returncode
    if status == USER_ERROR:
        raise UserError(f"Stopped: {run.cell} seed={run.seed} cannot run, for the reason above.")
    return status == 0


def _metrics(runs: Sequence[CellRun]) -> dict[str, list[Mapping[str, float]]]:
    """Return the test metrics of each cell's finished runs."""
    found: dict[str, list[Mapping[str, float]]] = {}
    for run in runs:
        if run.metrics is not None:
            found.setdefault(run.cell, []).append(run.metrics["test"] or run.metrics["validation"])
    return found


def _report(runs: Sequence[CellRun], suite: Suite, out: Path) -> None:
    with temp_folder("reproduce") as cache:
        sources = ConfigSources((), cache)
        finished = [run.folder for run in runs if run.metrics is not None]
        found = build_report(finished, sources, base=suite.base)
    write_files(out, {**render_markdown(found), **render_html(found)})


def _compare(
    found: Mapping[str, Sequence[Mapping[str, float]]],
    suite: Suite,
    recorded: Recorded | None,
    runs: Sequence[CellRun],
) -> list[Comparison]:
    comparisons = [] if recorded is None else compare_recorded(found, recorded)
    if suite.published:
        finished = next(run for run in runs if run.metrics is not None)
        data = json.loads((finished.folder / "metrics.json").read_text("utf-8"))["data"]
        comparisons += compare_published(found, data, suite.published, published_rows())
    return comparisons


def _seconds(runs: Sequence[CellRun]) -> dict[str, float]:
    """Return the median seconds of each cell's finished runs, because a run may have waited for another."""
    by_cell: dict[str, list[float]] = {}
    for run in runs:
        if run.metrics is not None:
            facts = json.loads((run.folder / "run.json").read_text("utf-8"))
            by_cell.setdefault(run.cell, []).append(float(facts["seconds"]))
    return {cell: median(seconds) for cell, seconds in by_cell.items()}


def _judge(comparisons: Sequence[Comparison], failed: Sequence[CellRun]) -> int:
    outside = [each for each in comparisons if not each.holds]
    for each in outside:
        _say(
            f"OUTSIDE {each.cell}: {each.metric} {100 * each.found:.2f}, expected {100 * each.expected:.2f} "
            f"± {100 * each.tolerance:.2f}"
        )
    for run in failed:
        _say(f"FAILED {run.cell} seed={run.seed}: see above, and {run.folder}")
    if not comparisons:
        _say("No values are recorded or published for this suite: there is no verdict.")
    elif not outside and not failed:
        _say(f"Reproduced: all {len(comparisons)} values lie within their tolerances.")
    return OUTSIDE if outside or failed else 0


def _say(line: str) -> None:
    _console.print(line, markup=False, highlight=False, soft_wrap=True)
