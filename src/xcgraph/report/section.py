"""Groups runs with the same dataset and metrics into a section and measures their predictions."""

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
    """Reads what a report needs beyond the run folders. ``xcgraph.saved_runs`` implements it from configs."""

    def data(self, run: RunFolder) -> XCData:
        """Return the dataset of a run's config.

        Raises:
            UserError: the dataset cannot be read.
        """

    def test_texts(self, run: RunFolder) -> Sequence[str]:
        """Return the texts of the test points; empty if the dataset has no texts."""

    def view_weights(self, run: RunFolder, labels: Sequence[int]) -> ViewWeights | None:
        """Return the run's weights of views for some labels; None if its fusion has no such weights."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Measured predictions of one run on the test points.

    Attributes:
        values: contribution of each point to each metric.
        ranking: (points, ``RANKS``) labels of highest score, padded with -1.
    """

    values: PointValues
    ranking: Int[Tensor, "points k"]


@dataclass(frozen=True, kw_only=True)
class Section:
    """Runs that may be compared with each other.

    Attributes:
        title: name of the dataset, with its fingerprint and constants if several sections share the name.
        data_name: name of the dataset.
        experiments: experiments, sorted by name and label.
        base: experiment that the others are compared with; None if there is no such experiment.
        sweeps: groups of experiments that differ in one number.
        data: dataset; None if it could not be read.
        no_data: reason why the dataset could not be read; empty if it was.
        measured: measured predictions by run folder; empty without dataset or test points.
        test_texts: texts of the test points; empty if the dataset has no texts.
        view_weights: function that returns the weights of views for a run and some labels.
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
        """Names of the metrics, in the order of the papers."""
        run = self.experiments[0].runs[0]
        return tuple(run.metrics[run.split])

    @property
    def split(self) -> str:
        """Split on which the metrics were computed: ``test`` or ``validation``."""
        return self.experiments[0].runs[0].split

    def points(self, experiment: Experiment) -> dict[int, PointValues]:
        """Return the values of the test points by seed, for the runs that were measured."""
        found = {run.seed: self.measured.get(run.path) for run in experiment.runs}
        return {seed: measured.values for seed, measured in found.items() if measured is not None}

    def first_of(self, name: str) -> RunFolder | None:
        """Return the run with the smallest seed of an experiment; None if no experiment has this name."""
        experiment = self.base if self.base and self.base.name == name else find_base(self.experiments, name)
        return experiment.runs[0] if experiment else None


def make_sections(
    runs: Iterable[RunFolder], sources: Sources, base: str
) -> tuple[list[Section], list[LeftOut]]:
    """Put runs whose metrics are comparable into one section, and measure each section.

    Returns:
        The sections sorted by title, and the runs that are left out of all averages.
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
    """Return everything that must be equal for the metrics of two runs to be comparable."""
    data = run.config["data"]
    constants = f"A={data['propensity_a']} B={data['propensity_b']}"
    metrics = " ".join(run.metrics[run.split])
    held_out = str(run.config["validation"]) if run.split == "validation" else ""
    return data["name"], run.labels_fingerprint, constants, run.split, metrics, held_out


def _long_title(definition: tuple[str, ...]) -> str:
    name, labels, constants, split, *_ = definition
    return f"{name} (labels {labels}, propensity {constants}, {split} points)"


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
    """Return the dataset of a section and '', or None and the reason why it cannot be used."""
    try:
        data = sources.data(run)
    except (UserError, OSError) as error:
        return None, str(error)
    found, expected = data.labels_fingerprint, run.labels_fingerprint
    if found != expected:
        reason = f"the labels of {data.name} have fingerprint {found}, but the runs were made with {expected}"
        return None, f"the dataset has changed: {reason}"
    return data, ""


def _measure(runs: Sequence[RunFolder], data: XCData) -> tuple[dict[Path, Measured], list[LeftOut]]:
    """Measure the predictions of each run. A run is damaged if they do not yield the run's own metrics."""
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
