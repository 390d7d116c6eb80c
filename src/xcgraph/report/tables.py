"""The tables of a report: rows of text that Markdown and HTML show alike."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xcgraph.report.costs import peak_memory, stage_groups
from xcgraph.report.experiments import Experiment
from xcgraph.report.published import Published
from xcgraph.report.section import Section
from xcgraph.report.statistics import LEVEL, Difference, clear_winners, paired_differences, summarize
from xcgraph.runs.folder import LeftOut, RunFolder

# All that a run notes would fill a screen; the rest is in its run.json.
_SHOWN_VERSIONS = ("python", "xcgraph", "torch", "pytorch-lightning", "torch-geometric", "numpy", "scipy")
MAIN_METRICS = ("P@1", "P@3", "P@5", "PSP@1", "PSP@3", "PSP@5")


@dataclass(frozen=True)
class Cell:
    """One value.

    Attributes:
        text: as shown.
        order: what the column is sorted by; None for text, which is sorted as such.
        bold: whether it stands out.
    """

    text: str
    order: float | int | None = None
    bold: bool = False


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table.

    Attributes:
        title: its heading.
        note: what a reader must know to read it.
        columns: headings.
        rows: a cell per column.
    """

    title: str
    note: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


def metric_tables(section: Section) -> list[Table]:
    """Mean ± std of every metric over seeds; the main ones first."""
    points = {each.label: section.points(each) for each in section.experiments}
    winners = clear_winners(section.metrics, points) if all(points.values()) else {}
    main = [name for name in section.metrics if name in MAIN_METRICS]
    rest = [name for name in section.metrics if name not in MAIN_METRICS]
    note = (
        f"Percent, {section.split} points, mean ± standard deviation over seeds (n − 1). Bold: better than "
        f"every other experiment, each {LEVEL:.0%} interval of the paired difference being above 0, "
        "from at least two common seeds."
    )
    titles = ((main, "Metrics"), (rest, "Further metrics"))
    return [
        Table(
            title=title,
            note=note if names is main else "As above.",
            columns=("experiment", "seeds", *names),
            rows=tuple(_metric_row(each, names, winners) for each in section.experiments),
        )
        for names, title in titles
        if names
    ]


def difference_table(section: Section) -> Table | None:
    """Paired differences from the base experiment, or None if there is nothing to compare."""
    base = section.base
    others = [each for each in section.experiments if each is not base]
    if base is None or not others or not section.measured:
        return None
    names = tuple(name for name in MAIN_METRICS if name in section.metrics)
    theirs = section.points(base)
    rows = []
    for each in others:
        found = paired_differences(section.points(each), theirs)
        seeds = len(set(each.seeds) & set(base.seeds))
        cells = (_difference_cell(found[name]) if name in found else Cell("–") for name in names)
        rows.append((Cell(each.label), Cell(str(seeds), seeds), *cells))
    return Table(
        title=f"Differences from {base.label}",
        note=(
            f"Percentage points, same test points and same seeds, with {LEVEL:.0%} intervals over "
            "test points (bootstrap) and seeds (Student's t). Bold: the interval leaves out 0, from at least "
            "two seeds; with one seed it knows nothing of the spread between trainings. Of twenty "
            "comparisons of equals, expect one in bold."
        ),
        columns=("experiment", "common seeds", *names),
        rows=tuple(rows),
    )


def published_table(section: Section, published: Sequence[Published]) -> Table | None:
    """Published values beside ours, or None where none are known for the data set."""
    known = [each for each in published if each.data == section.data_name]
    if not known:
        return None
    names = [name for name in section.metrics if any(name in each.values for each in known)]
    ours = [
        (
            Cell(f"{each.label} (ours)"),
            *(_percent(summarize(each.values(name)).mean) for name in names),
            Cell(f"this report, {len(each.runs)} seeds"),
        )
        for each in section.experiments
    ]
    theirs = [
        (
            Cell(each.method),
            *(_percent(each.values[name] / 100) if name in each.values else Cell("–") for name in names),
            Cell(each.source),
        )
        for each in known
    ]
    return Table(
        title="Published values beside ours",
        note="Percent, test points. A dash: not published there.",
        columns=("method", *names, "source"),
        rows=(*ours, *theirs),
    )


def cost_table(section: Section) -> Table:
    """Time of training per kind of stage, and memory."""
    costs = {each.label: [stage_groups(run) for run in each.runs] for each in section.experiments}
    kinds = list(dict.fromkeys(kind for runs in costs.values() for run in runs for kind in run))
    rows = []
    for each in section.experiments:
        mine = costs[each.label]
        mean = {kind: math.fsum(run.get(kind, 0.0) for run in mine) / len(mine) for kind in kinds}
        memory = [found for run in each.runs if (found := peak_memory(run)) is not None]
        peak = Cell(f"{max(memory):,.0f}", max(memory)) if memory else Cell("–")
        known = {kind for run in mine for kind in run}
        seconds = (Cell(f"{mean[kind]:,.1f}", mean[kind]) if kind in known else Cell("–") for kind in kinds)
        total = math.fsum(mean.values())
        rows.append((Cell(each.label), *seconds, Cell(f"{total:,.1f}", total), peak))
    return Table(
        title="Time and memory",
        note=(
            "Seconds, mean over seeds, summed over the trees; those of epochs where a run notes no others. A "
            "stage that several runs share counts in each. Memory is the largest of a run's processes."
        ),
        columns=("experiment", *(f"{kind} (s)" for kind in kinds), "all (s)", "peak memory (MiB)"),
        rows=tuple(rows),
    )


def provenance_table(section: Section) -> Table:
    """Say for each run by which command and versions it was made."""
    rows = [
        (Cell(each.label), Cell(str(run.seed), run.seed), *(Cell(text) for text in _provenance(run)))
        for each in section.experiments
        for run in each.runs
    ]
    return Table(
        title="Where each row comes from",
        note="As far as the run folders tell.",
        columns=("experiment", "seed", "command", "versions", "git", "machine", "threads", "folder"),
        rows=tuple(rows),
    )


def left_out_table(left_out: Iterable[LeftOut]) -> Table | None:
    """List the runs that are in no average, or None if all are."""
    rows = tuple((Cell(str(each.path)), Cell(each.reason)) for each in left_out)
    if not rows:
        return None
    return Table(
        title="Left out",
        note="These folders are in no table and no figure.",
        columns=("folder", "reason"),
        rows=rows,
    )


def _metric_row(
    experiment: Experiment, names: Sequence[str], winners: Mapping[str, str | None]
) -> tuple[Cell, ...]:
    cells = []
    for name in names:
        found = summarize(experiment.values(name))
        spread = "" if found.std is None else f" ± {100 * found.std:.2f}"
        bold = winners.get(name) == experiment.label
        cells.append(Cell(f"{100 * found.mean:.2f}{spread}", found.mean, bold))
    return Cell(experiment.label), Cell(str(len(experiment.runs)), len(experiment.runs)), *cells


def _difference_cell(found: Difference) -> Cell:
    value, low, high = (f"{100 * number:+.2f}" for number in (found.value, found.low, found.high))
    return Cell(f"{value} [{low}, {high}]", found.value, found.is_clear)


def _percent(fraction: float) -> Cell:
    return Cell(f"{100 * fraction:.2f}", fraction)


def _provenance(run: RunFolder) -> tuple[str, ...]:
    """Take what ``run.json`` has; older runs have no command, commit and machine."""
    facts = run.facts
    versions = {"python": facts.get("python", "–"), **_mapping(facts, "versions")}
    git, machine = _mapping(facts, "git"), _mapping(facts, "machine")
    return (
        str(facts.get("command") or "–"),
        ", ".join(f"{name} {version}" for name, version in versions.items() if name in _SHOWN_VERSIONS),
        f"{str(git.get('commit') or '–')[:12]}{' (changed)' if git.get('dirty') else ''}",
        ", ".join(str(machine[key]) for key in ("processor", "accelerator") if machine.get(key)) or "–",
        f"{facts.get('num_threads', '–')}",
        str(run.path),
    )


def _mapping(facts: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = facts.get(name)
    return found if isinstance(found, Mapping) else {}
