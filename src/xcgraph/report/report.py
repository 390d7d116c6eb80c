"""Builds a report from run folders and writes its files."""

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
    """One chapter of the report, for comparable runs.

    Attributes:
        title: heading of the chapter.
        facts: opening sentences.
        results: tables of results.
        pictures: figures, in order.
        missing: one sentence for each missing figure.
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
    """The content of a report, independent of its format.

    Attributes:
        title: heading of the report.
        summary: one sentence with the numbers of runs.
        chapters: one chapter for each dataset and definition of the metrics.
        left_out: table of the runs that no chapter contains; None if there are no such runs.
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
    """Read runs and build their report.

    Args:
        places: run folders, or folders that contain run folders.
        sources: reads what run folders do not hold, such as the dataset.
        base: name or label of the experiment that others are compared with. The default is ``eclare``, if
            there is one.
        published: published results; the default is those that ship with the package.

    Raises:
        UserError: there is no usable run, or no run of the given ``base``.
    """
    runs, left_out = find_runs(places)
    sections, out = make_sections(runs, sources, base or BASE)
    left_out += out
    if not sections:
        reasons = "; ".join(f"{each.path}: {each.reason}" for each in left_out[:3])
        raise UserError(f"The report needs at least one usable run, got {len(left_out)} unusable: {reasons}.")
    if base is not None and all(section.base is None for section in sections):
        known = ", ".join(dict.fromkeys(each.label for section in sections for each in section.experiments))
        raise UserError(f"--base must name an experiment of these runs, got {base}. They are: {known}.")
    rows = published_rows() if published is None else published
    return Report(
        title=f"xcgraph: {', '.join(section.title for section in sections)}",
        summary=_summary(sections, left_out),
        chapters=tuple(make_chapter(section, rows) for section in sections),
        left_out=left_out_table(left_out),
    )


def make_chapter(section: Section, published: Sequence[Published]) -> Chapter:
    """Make all figures and tables of a section."""
    pictures: list[Picture] = []
    missing = []
    for name, draw in DRAWINGS.items():
        try:
            pictures += draw(section)
        except NothingToShow as reason:
            missing.append(f"{name}: {reason}")
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
    """Write all files as drafts first, then rename them. A full disk or a kill thus keeps the old files.

    Args:
        folder: folder of the files; it is created if it does not exist.
        files: content by file name, in the order of renaming.
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
    separate = (
        f" The runs are in {len(sections)} separate chapters because their data or metrics differ."
        if len(sections) > 1
        else ""
    )
    found = f"{_count(runs, 'run')} of {_count(len(experiments), 'experiment')}"
    return f"{found}; {_count(len(left_out), 'folder')} left out.{separate}"


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def _facts(section: Section) -> Iterable[str]:
    data = section.data
    if data is not None:
        yield (
            f"{data.name}: {len(data.train):,} training points, {len(data.test):,} test points, "
            f"{data.num_labels:,} labels. Propensity constants A = {data.propensity_a} and "
            f"B = {data.propensity_b}. Fingerprint of the labels: {data.labels_fingerprint}."
        )
    else:
        yield f"Tables and figures that need the dataset are missing: {section.no_data}."
    if section.base is None:
        yield "There is no base experiment to compare the others with. Choose one with --base NAME."
    else:
        yield f"The base experiment is {section.base.label}; the others are compared with it."
    if section.split == "validation":
        yield "The dataset has no test points, so all results are on validation points."
