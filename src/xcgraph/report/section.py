"""A section of a report: runs on one data set, under one definition of the metrics, and what was measured."""

import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from jaxtyping import Int
from torch import Tensor

from xcgraph.data.xc_data import XCData
from xcgraph.errors import UserError
from xcgraph.metrics.evaluate import training_inverse_propensity
from xcgraph.metrics.per_point import PointValues, measure_points, rank_points
from xcgraph.report.experiments import Experiment, Sweep, find_base, find_sweeps, group_runs
from xcgraph.runs.folder import LeftOut, RunFolder, ViewWeights

RANKS = 5
_TOLERANCE = 1e-6


@runtime_checkable
class Sources(Protocol):
    """What a report needs and no run folder holds; the command line has it, for it knows the configs."""

    def data(self, run: RunFolder) -> XCData:
        """Read the data set of a run's config; a UserError says why that cannot be."""

    def test_texts(self, run: RunFolder) -> Sequence[str]:
        """Return the texts of the test points; empty where the data set has none."""

    def view_weights(self, run: RunFolder, labels: Sequence[int]) -> ViewWeights | None:
        """Return how the run's first ranker weighs the views of some labels; None where it does not."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """The test points of one run.

    Attributes:
        values: what each point adds to each metric.
        ranking: (points, ``RANKS``) best labels, -1 where there are fewer.
    """

    values: PointValues
    ranking: Int[Tensor, "points k"]


@dataclass(frozen=True, kw_only=True)
class Section:
    """Runs that may be compared with each other.

    Attributes:
        title: the data set's name, and what tells it from another of that name.
        data_name: the data set's name.
        experiments: by name and label.
        base: what others are compared with, or None.
        sweeps: experiments that differ in one number.
        data: the data set, or None.
        no_data: why there is no data set; empty if there is.
        measured: by run folder; empty without data or test points.
        test_texts: of the test points, or empty.
        view_weights: of a run and some labels.
    """

    title: str
    data_name: str
    experiments: tuple[Experiment, ...]
    base: Experiment | None
    sweeps: tuple[Sweep, ...]
    data: XCData | None
    no_data: str
    measured: Mapping[Path, Measured]
    test_texts: Sequence[str]
    view_weights: Callable[[RunFolder, Sequence[int]], ViewWeights | None]

    @property
    def metrics(self) -> tuple[str, ...]:
        """The names of the metrics, in the order of the papers."""
        run = self.experiments[0].runs[0]
        return tuple(run.metrics[run.split])

    @property
    def split(self) -> str:
        """The split that the metrics are of."""
        return self.experiments[0].runs[0].split

    def points(self, experiment: Experiment) -> dict[int, PointValues]:
        """Return each seed's values of the test points, as far as they were measured."""
        found = {run.seed: self.measured.get(run.path) for run in experiment.runs}
        return {seed: measured.values for seed, measured in found.items() if measured is not None}

    def first_of(self, name: str) -> RunFolder | None:
        """Return the run with the smallest seed of an experiment, the base if that is its name."""
        experiment = self.base if self.base and self.base.name == name else find_base(self.experiments, name)
        return experiment.runs[0] if experiment else None


def make_sections(
    runs: Iterable[RunFolder], sources: Sources, base: str
) -> tuple[list[Section], list[LeftOut]]:
    """Keep runs apart whose numbers mean different things, and measure each section.

    Returns:
        The sections by title, and the runs that no average contains.
    """
    kinds: dict[tuple[str, ...], list[RunFolder]] = {}
    for run in runs:
        kinds.setdefault(_definition(run), []).append(run)
    names = [definition[0] for definition in kinds]
    sections, left_out = [], []
    for definition, members in sorted(kinds.items()):
        title = definition[0] if names.count(definition[0]) == 1 else _long_title(definition)
        section, out = _make_section(title, members, sources, base)
        left_out.extend(out)
        sections.extend([section] if section else [])
    return sections, left_out


def _definition(run: RunFolder) -> tuple[str, ...]:
    """Return all that must be equal for two numbers to mean the same."""
    data = run.config["data"]
    constants = f"A={data['propensity_a']} B={data['propensity_b']}"
    metrics = " ".join(run.metrics[run.split])
    held_out = str(run.config["validation"]) if run.split == "validation" else ""
    return data["name"], run.facts["data"]["truth"], constants, run.split, metrics, held_out


def _long_title(definition: tuple[str, ...]) -> str:
    name, truth, constants, split, *_ = definition
    return f"{name} (labels {truth}, propensity {constants}, {split} points)"


def _make_section(
    title: str, runs: list[RunFolder], sources: Sources, base: str
) -> tuple[Section | None, list[LeftOut]]:
    data, no_data = _read_data(runs[0], sources)
    measured, left_out = _measure(runs, data) if data is not None and len(data.test) else ({}, [])
    broken = {out.path for out in left_out}
    experiments, repeats = group_runs(run for run in runs if run.path not in broken)
    left_out += repeats
    if not experiments:
        return None, left_out
    section = Section(
        title=title,
        data_name=str(runs[0].config["data"]["name"]),
        experiments=tuple(experiments),
        base=find_base(experiments, base),
        sweeps=tuple(find_sweeps(experiments)),
        data=data,
        no_data=no_data,
        measured=measured,
        test_texts=sources.test_texts(runs[0]) if data is not None else (),
        view_weights=sources.view_weights,
    )
    return section, left_out


def _read_data(run: RunFolder, sources: Sources) -> tuple[XCData | None, str]:
    """Read data whose labels all runs of a section share, or say why that cannot be."""
    try:
        data = sources.data(run)
    except (UserError, OSError) as error:
        return None, str(error)
    found, expected = data.labels_fingerprint, run.facts["data"]["truth"]
    if found != expected:
        return None, f"the labels of the data read now have fingerprint {found}, those of the runs {expected}"
    return data, ""


def _measure(runs: Sequence[RunFolder], data: XCData) -> tuple[dict[Path, Measured], list[LeftOut]]:
    """Measure each run's predictions; those that do not give the run's own numbers are damaged."""
    weights = training_inverse_propensity(data)
    measured, left_out = {}, []
    for run in runs:
        try:
            scores = run.predictions()
            values = measure_points(scores, data.test, inverse_propensity=weights)
            ranking = rank_points(scores, data.test, RANKS)
        except (UserError, OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            reason = "missing" if isinstance(error, FileNotFoundError) else str(error).splitlines()[0]
            left_out.append(LeftOut(run.path, f"damaged: predictions.npz: {reason}"))
            continue
        differing = _differing(values.metrics(), run.metrics["test"])
        if differing:
            left_out.append(
                LeftOut(run.path, f"damaged: predictions.npz and metrics.json differ in {differing}")
            )
        else:
            measured[run.path] = Measured(values=values, ranking=ranking)
    return measured, left_out


def _differing(found: Mapping[str, float], expected: Mapping[str, Any]) -> str:
    names = [name for name in expected if name in found and abs(found[name] - expected[name]) > _TOLERANCE]
    return ", ".join(names)
