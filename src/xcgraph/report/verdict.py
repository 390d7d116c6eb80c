"""Compares the results of a suite with recorded or published values, metric by metric."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from xcgraph.errors import UserError
from xcgraph.report.published import Published
from xcgraph.report.statistics import Summary, summarize
from xcgraph.report.suites import read_records_file
from xcgraph.report.tables import MAIN_METRICS, Cell, Table
from xcgraph.storage.artifacts import write_atomically

# On another machine the last bits of sums differ, which has the effect of another seed. A suite compares
# dozens of means, and some of them would lie outside two standard errors by chance.
DEVIATIONS = 3.0
_MIN_TOLERANCE = 0.0005  # As a fraction. A handful of seeds can agree by chance.
_PUBLISHED_TOLERANCE = 0.01  # As a fraction. An independent ECLARE (LEVER, ICLR'24) came within 0.007.


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """The recorded results of a suite and their cost.

    Attributes:
        metrics: means and deviations by cell and metric, as fractions.
        seconds: seconds of one run by cell.
    """

    metrics: Mapping[str, Mapping[str, Summary]]
    seconds: Mapping[str, float]

    def spread(self, metric: str) -> float:
        """Return the standard deviation between seeds, pooled over cells because each has few seeds."""
        known = [cell[metric] for cell in self.metrics.values() if metric in cell]
        squares = [(each.std**2, each.runs - 1) for each in known if each.std is not None]
        freedom = sum(runs for _, runs in squares)
        return math.sqrt(sum(square * runs for square, runs in squares) / freedom) if freedom else 0.0


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One metric of one cell beside its expected value, as fractions.

    Attributes:
        cell: the overrides that make the cell.
        metric: name of the metric.
        found: mean over seeds.
        expected: the recorded mean, or the published value.
        tolerance: largest accepted distance from the expected value.
        may_exceed: whether a value above the expected one holds too, as for a published value.
    """

    cell: str
    metric: str
    found: float
    expected: float
    tolerance: float
    may_exceed: bool = False

    @property
    def holds(self) -> bool:
        """Whether the value lies within its tolerance."""
        away = self.found - self.expected
        return away >= -self.tolerance and (self.may_exceed or away <= self.tolerance)


def compare_recorded(
    found: Mapping[str, Sequence[Mapping[str, float]]], recorded: Recorded
) -> list[Comparison]:
    """Compare the means of cells with the recorded ones.

    The tolerance is ``DEVIATIONS`` standard errors of a difference of two means: pooled spread between seeds
    times √(1/seeds now + 1/seeds then).

    Args:
        found: by cell, the metrics of each seed.
        recorded: the recorded values; cells without them are left out.
    """
    comparisons = []
    for cell, runs in found.items():
        for metric, before in recorded.metrics.get(cell, {}).items():
            error = recorded.spread(metric) * math.sqrt(1 / len(runs) + 1 / before.runs)
            comparisons.append(
                Comparison(
                    cell=cell,
                    metric=metric,
                    found=summarize([run[metric] for run in runs]).mean,
                    expected=before.mean,
                    tolerance=max(DEVIATIONS * error, _MIN_TOLERANCE),
                )
            )
    return comparisons


def compare_published(
    found: Mapping[str, Sequence[Mapping[str, float]]],
    data: str,
    methods: Mapping[str, str],
    published: Iterable[Published],
) -> list[Comparison]:
    """Compare the means of cells with the values that their papers print.

    Args:
        found: by cell, the metrics of each seed.
        data: name of the data set.
        methods: by cell, the name of the method as it is printed.
        published: the printed rows.
    """
    rows = {row.method: row.values for row in published if row.data == data}
    return [
        Comparison(
            cell=cell,
            metric=metric,
            found=summarize([run[metric] for run in found[cell]]).mean,
            expected=value / 100,
            tolerance=_PUBLISHED_TOLERANCE,
            may_exceed=True,
        )
        for cell, method in methods.items()
        if cell in found
        for metric, value in rows.get(method, {}).items()
    ]


def verdict_table(comparisons: Sequence[Comparison]) -> Table:
    """Return a table of all comparisons. Those that do not hold come first."""
    ordered = sorted(comparisons, key=lambda each: each.holds)
    return Table(
        title="Verdict",
        note="Percent, test points, means over seeds. Bold: outside its tolerance.",
        columns=("cell", "metric", "found", "expected", "tolerance", "holds"),
        rows=tuple(
            (
                Cell(each.cell),
                Cell(each.metric),
                Cell(f"{100 * each.found:.2f}", each.found, bold=not each.holds),
                Cell(f"{100 * each.expected:.2f}", each.expected),
                Cell(f"{'-' if each.may_exceed else '±'}{100 * each.tolerance:.2f}", each.tolerance),
                Cell("yes" if each.holds else "no"),
            )
            for each in ordered
        ),
    )


def read_recorded(data: str, suite: str) -> Recorded | None:
    """Return the recorded values of a suite on a data set, or None if none are recorded."""
    content = read_records_file(data, suite)
    if content is None:
        return None
    return Recorded(
        metrics={
            cell: {
                name: Summary(mean / 100, None if std is None else std / 100, values["seeds"])
                for name, (mean, std) in values["metrics"].items()
            }
            for cell, values in content.items()
        },
        seconds={cell: float(values["seconds"]) for cell, values in content.items()},
    )


def write_recorded(
    path: Path, found: Mapping[str, Sequence[Mapping[str, float]]], seconds: Mapping[str, float]
) -> None:
    """Write the results of a suite as new recorded values, for :func:`read_recorded`.

    Raises:
        UserError: the file cannot be written.
    """
    content = {
        cell: {
            "seeds": len(runs),
            "seconds": round(seconds[cell], 1),
            "metrics": {name: list(_percent(runs, name)) for name in MAIN_METRICS if name in runs[0]},
        }
        for cell, runs in found.items()
    }
    try:
        write_atomically(path, _HEADER + yaml.safe_dump(content, sort_keys=False, default_flow_style=None))
    except OSError as error:
        raise UserError(f"Cannot write {path}: {error.strerror}.") from error


_HEADER = "# Mean and deviation over seeds, percent, test points; written by xcgraph-reproduce --record.\n"


def _percent(runs: Sequence[Mapping[str, Any]], name: str) -> Iterator[float | None]:
    found = summarize([run[name] for run in runs])
    yield round(100 * found.mean, 3)
    yield None if found.std is None else round(100 * found.std, 3)
