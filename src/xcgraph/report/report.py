"""A report: what its pages show, in order, and how it comes to disk."""

import contextlib
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from xcgraph.errors import UserError
from xcgraph.report.examples import neighbour_table, prediction_table
from xcgraph.report.figures import DRAWINGS, NothingToShow, Picture
from xcgraph.report.published import Published, published_rows
from xcgraph.report.section import Section, Sources, make_sections
from xcgraph.report.tables import (
    Table,
    cost_table,
    difference_table,
    left_out_table,
    metric_tables,
    provenance_table,
    published_table,
)
from xcgraph.runs.folder import LeftOut, find_runs
from xcgraph.storage.atomic_files import publish, remove_drafts

BASE = "eclare"


@dataclass(frozen=True, kw_only=True)
class Chapter:
    """A section of the page.

    Attributes:
        title: its heading.
        facts: sentences to begin with.
        results: tables of what was reached.
        pictures: in order.
        missing: sentences on what is not drawn.
        details: tables that follow the figures.
    """

    title: str
    facts: tuple[str, ...]
    results: tuple[Table, ...]
    pictures: tuple[Picture, ...]
    missing: tuple[str, ...]
    details: tuple[Table, ...]


@dataclass(frozen=True, kw_only=True)
class Report:
    """All that a report says, whatever the format.

    Attributes:
        title: its heading.
        summary: one sentence.
        chapters: one per data set and definition of the metrics.
        left_out: the runs that are in none, if there are any.
    """

    title: str
    summary: str
    chapters: tuple[Chapter, ...]
    left_out: Table | None


def build_report(
    places: Iterable[Path],
    sources: Sources,
    *,
    base: str | None = None,
    published: Sequence[Published] | None = None,
) -> Report:
    """Read runs and say all there is to say about them.

    Args:
        places: run folders, or folders that contain some.
        sources: gives what run folders do not hold.
        base: name or label of the experiment that others are compared with; None: ``eclare``, if it is there.
        published: printed values; None: those that come with the package.

    Raises:
        UserError: there is no finished run, or none of the base that was asked for.
    """
    runs, left_out = find_runs(places)
    sections, out = make_sections(runs, sources, base or BASE)
    left_out += out
    if not sections:
        reasons = "; ".join(f"{each.path}: {each.reason}" for each in left_out[:3])
        raise UserError(f"None of the {len(left_out)} run folders is fit for a report: {reasons}.")
    if base is not None and all(section.base is None for section in sections):
        known = ", ".join(dict.fromkeys(each.label for section in sections for each in section.experiments))
        raise UserError(f"--base {base}: expected an experiment of these runs, which are {known}.")
    rows = published_rows() if published is None else published
    return Report(
        title=f"xcgraph: {', '.join(section.title for section in sections)}",
        summary=_summary(sections, left_out),
        chapters=tuple(make_chapter(section, rows) for section in sections),
        left_out=left_out_table(left_out),
    )


def make_chapter(section: Section, published: Sequence[Published]) -> Chapter:
    """Draw all figures of a section and lay out its tables."""
    pictures: list[Picture] = []
    missing = []
    for what, draw in DRAWINGS.items():
        try:
            pictures += draw(section)
        except NothingToShow as reason:
            missing.append(f"{what}: {reason}")
    results = (*metric_tables(section), difference_table(section), published_table(section, published))
    details = (
        neighbour_table(section),
        prediction_table(section),
        cost_table(section),
        provenance_table(section),
    )
    return Chapter(
        title=section.title,
        facts=tuple(_facts(section)),
        results=tuple(table for table in results if table),
        pictures=tuple(pictures),
        missing=tuple(missing),
        details=tuple(table for table in details if table),
    )


def write_files(folder: Path, files: Mapping[str, str]) -> None:
    """Write files so that a full disk or a kill leaves the old ones: all as drafts first, then renamed.

    Args:
        folder: made if it is not there.
        files: content by name; the last one is renamed last.
    """
    drafts = {folder / name: _draft(folder / name) for name in files}
    for place in {path.parent for path in drafts}:
        remove_drafts(place)
    try:
        for (path, draft), content in zip(drafts.items(), files.values(), strict=True):
            path.parent.mkdir(parents=True, exist_ok=True)
            with publish(path), draft.open("wb") as file:
                file.write(content.encode())
                file.flush()
                os.fsync(file.fileno())
        for path, draft in drafts.items():
            draft.replace(path)
    finally:
        for draft in drafts.values():
            with contextlib.suppress(OSError):
                draft.unlink(missing_ok=True)


def _draft(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}")


def _summary(sections: Sequence[Section], left_out: Sequence[LeftOut]) -> str:
    experiments = [each for section in sections for each in section.experiments]
    runs = sum(len(each.runs) for each in experiments)
    apart = (
        f" The {len(sections)} chapters are apart because their data or metrics differ."
        if len(sections) > 1
        else ""
    )
    found = f"{_count(runs, 'run')} of {_count(len(experiments), 'experiment')}"
    return f"{found}; {_count(len(left_out), 'folder')} left out.{apart}"


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def _facts(section: Section) -> Iterable[str]:
    data = section.data
    if data is not None:
        yield (
            f"{data.name}: {len(data.train):,} training points, {len(data.test):,} test points, "
            f"{data.num_labels:,} labels; propensity A = {data.propensity_a}, B = {data.propensity_b}; "
            f"fingerprint of the labels {data.labels_fingerprint}."
        )
    else:
        yield f"The data set could not be read, so what needs it is missing: {section.no_data}."
    if section.base is None:
        yield "No experiment of these is the base that others are compared with; choose one with --base NAME."
    else:
        yield f"Others are compared with {section.base.label}."
    if section.split == "validation":
        yield "The data set has no test points: all numbers are of validation points."
