"""Tables of a report, independent of the format that renders them."""

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

# All recorded versions would fill a screen; the others are in run.json.
_SHOWN_VERSIONS = ("python", "xcgraph", "torch", "pytorch-lightning", "torch-geometric", "numpy", "scipy")
MAIN_METRICS = ("P@1", "P@3", "P@5", "PSP@1", "PSP@3", "PSP@5")


@dataclass(frozen=True)
class Cell:
    """One cell of a table.

    Attributes:
        text: text that is shown.
        order: number to sort the column by; None to sort by the text.
        bold: whether the text is bold.
    """

    text: str
    order: float | int | None = None
    bold: bool = False


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table with a heading and a note.

    Attributes:
        title: heading of the table.
        note: explanation that a reader needs to understand the numbers.
        columns: column headings.
        rows: rows with one cell per column.
    """

    title: str
    note: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


def metric_tables(section: Section) -> list[Table]:
    """Return tables with mean ± std over seeds: the main metrics, then the others."""
    points = {each.label: section.points(each) for each in section.experiments}
    winners = clear_winners(section.metrics, points) if all(points.values()) else {}
    main = [name for name in section.metrics if name in MAIN_METRICS]
    rest = [name for name in section.metrics if name not in MAIN_METRICS]
    note = (
        f"Percent on {section.split} points; mean ± standard deviation over seeds (n − 1). Bold: "
        "significantly better than every other experiment. This means at least two common seeds with "
        f"each, and a {LEVEL:.0%} interval of the paired difference above 0."
    )
    titles = ((main, "Metrics"), (rest, "Other metrics"))
    return [
        Table(
            title=title,
            note=note if names is main else "Read this table like the one above.",
            columns=("experiment", "seeds", *names),
            rows=tuple(_metric_row(each, names, winners) for each in section.experiments),
        )
        for names, title in titles
        if names
    ]


def difference_table(section: Section) -> Table | None:
    """Return paired differences from the base experiment; None if there is nothing to compare."""
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
            f"Percentage points, paired by test point and seed, with {LEVEL:.0%} intervals over test points "
            "(bootstrap) and seeds (Student's t). Bold: the interval excludes 0 and there are at least two "
            "common seeds. With one seed, the interval ignores the variation between training runs. Among "
            "twenty comparisons of equally good experiments, expect one in bold."
        ),
        columns=("experiment", "common seeds", *names),
        rows=tuple(rows),
    )


def published_table(section: Section, published: Sequence[Published]) -> Table | None:
    """Return published results next to ours; None if there are no published results on the dataset."""
    known = [each for each in published if each.data == section.data_name]
    if not known:
        return None
    names = [name for name in section.metrics if any(name in each.values for each in known)]
    ours = [
        (
            Cell(f"{each.label} (ours)"),
            *(_percent(summarize(each.values(name)).mean) for name in names),
            Cell(f"this report, {len(each.runs)} {'seed' if len(each.runs) == 1 else 'seeds'}"),
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
        title="Published results and ours",
        note="Percent on test points. A dash means that the source does not report the value.",
        columns=("method", *names, "source"),
        rows=(*ours, *theirs),
    )


def cost_table(section: Section) -> Table:
    """Return training time by kind of stage, and peak memory."""
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
            "Seconds: mean over seeds, summed over the trees. If a run did not record the time of a stage, "
            "the time of its epochs is shown. A stage that several runs share counts in each of them. Peak "
            "memory is the largest of all processes of a run."
        ),
        columns=("experiment", *(f"{kind} (s)" for kind in kinds), "total (s)", "peak memory (MiB)"),
        rows=tuple(rows),
    )


def provenance_table(section: Section) -> Table:
    """Return the command, versions and machine of each run."""
    rows = [
        (Cell(each.label), Cell(str(run.seed), run.seed), *(Cell(text) for text in _provenance(run)))
        for each in section.experiments
        for run in each.runs
    ]
    return Table(
        title="Provenance of each run",
        note="From the run.json of each run folder. A dash means that the value was not recorded.",
        columns=("experiment", "seed", "command", "versions", "git", "machine", "threads", "folder"),
        rows=tuple(rows),
    )


def left_out_table(left_out: Iterable[LeftOut]) -> Table | None:
    """Return the table of runs that are left out of all averages; None if there are no such runs."""
    rows = tuple((Cell(str(each.path)), Cell(each.reason)) for each in left_out)
    if not rows:
        return None
    return Table(
        title="Runs that were left out",
        note="No table and no figure includes these run folders.",
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
    """Return the provenance in ``run.json``; older runs recorded no command, commit and machine."""
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
