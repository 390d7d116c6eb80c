"""Show how sensitive a recipe is to its settings: plot the trials of a search over each varied setting.

    xcgraph-train -m hparams_search=joint num_threads=1
    python -m benchmarks.plateau runs/sweeps/LF-WordNet-8K/joint

The benchmark reads validation metrics only; it never reads the test metrics of the trials.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from benchmarks.process import markdown, say_line
from xcgraph.errors import UserError

METRICS = ("P@1", "PSP@5")
_PARTS = 3  # parts of equal length per range


class Trial(NamedTuple):
    """A finished trial of a search.

    Attributes:
        values: numeric overrides, by name.
        metrics: validation metrics in percent.
    """

    values: Mapping[str, float]
    metrics: Mapping[str, float]


def read_trials(folder: Path) -> list[Trial]:
    """Return the finished trials of a search.

    Raises:
        UserError: the folder has fewer than two finished trials.
    """
    trials = [_trial(path.parent) for path in sorted(folder.glob("*/metrics.json"))]
    if len(trials) < 2:
        raise UserError(
            f"{folder}: the search needs at least 2 finished trials, found {len(trials)}; check the folder."
        )
    return trials


def _trial(folder: Path) -> Trial:
    overrides = json.loads((folder / "run.json").read_text("utf-8"))["overrides"]
    validation = json.loads((folder / "metrics.json").read_text("utf-8"))["validation"]
    pairs = (override.split("=", 1) for override in overrides)
    numbers = {name: float(value) for name, value in pairs if _is_number(value)}
    return Trial(numbers, {name: 100 * validation[name] for name in METRICS})


def _is_number(value: str) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True


def varied(trials: Sequence[Trial]) -> dict[str, np.ndarray]:
    """Return the values of each setting that every trial has and that differs between trials."""
    common = [name for name in trials[0].values if all(name in trial.values for trial in trials)]
    columns = {name: np.array([trial.values[name] for trial in trials]) for name in common}
    return {name: column for name, column in columns.items() if len(set(column)) > 1}


def plot(trials: Sequence[Trial], path: Path) -> None:
    """Write plots of each metric over each setting, with one dot per trial."""
    columns = varied(trials)
    with mpl.rc_context({"font.size": 8, "svg.hashsalt": "xcgraph"}):
        size = (1.2 + 1.7 * len(columns), 3.6)
        figure = Figure(figsize=size, layout="constrained")
        grid = figure.subplots(len(METRICS), len(columns), sharex="col", sharey="row", squeeze=False)
        for row, metric in zip(grid, METRICS, strict=True):
            row[0].set_ylabel(f"validation {metric}, %")
            for axes, (name, column) in zip(row, columns.items(), strict=True):
                axes.plot(column, [trial.metrics[metric] for trial in trials], "o", markersize=3, alpha=0.7)
                axes.grid(alpha=0.3)
                if _is_rate(name):
                    axes.set_xscale("log")
                    ticks = np.geomspace(column.min(), column.max(), 3)
                    axes.set_xticks(ticks, [f"{tick:.2g}" for tick in ticks])
                    axes.minorticks_off()
        for axes, name in zip(grid[-1], columns, strict=True):
            axes.set_xlabel(name)
        figure.savefig(path, metadata={"Date": None})


def _is_rate(name: str) -> bool:
    """Return whether a setting is a learning rate, which needs a logarithmic scale."""
    return name.rpartition(".")[2] == "lr"


def table(trials: Sequence[Trial]) -> str:
    """Return a Markdown table of the best trial in each third of each range; on a plateau they are equal."""
    rows = []
    for name, column in varied(trials).items():
        scale = np.log(column) if _is_rate(name) else column
        bounds = np.linspace(scale.min(), scale.max(), _PARTS + 1)[1:-1]
        part_of = np.searchsorted(bounds, scale, side="right")
        for part in range(_PARTS):
            inside = np.flatnonzero(part_of == part)
            if len(inside):
                found = column[inside]
                best = (f"{max(trials[i].metrics[metric] for i in inside):.2f}" for metric in METRICS)
                rows.append((f"`{name}`", f"{found.min():.4g} – {found.max():.4g}", str(len(inside)), *best))
    return markdown(("setting", "range", "trials", *(f"best {metric}" for metric in METRICS)), rows)


def main() -> None:
    """Print a Markdown table and write the plot to ``plateau.svg``."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.plateau",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, help="folder of the trials of a search")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/out"), help="folder of the plot")
    options = parser.parse_args()
    try:
        trials = read_trials(options.folder)
    except UserError as error:
        raise SystemExit(str(error)) from None
    options.out.mkdir(parents=True, exist_ok=True)
    plot(trials, options.out / "plateau.svg")
    say_line(table(trials))


if __name__ == "__main__":
    main()
