"""Compare options of one recipe by accuracy and training time, in a table and a plot.

    make reproduce SUITE=joint
    make reproduce SUITE=options
    python -m benchmarks.options runs/reproduce/code-*/sweeps/LF-WordNet-8K/joint*

Training time is the sum over all stages of a run. A stage that the run took from the cache counts with the
time that its first run needed.
"""

import argparse
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import NamedTuple

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.process import markdown, say_line
from xcgraph.runs.folder import LeftOut, read_run

VALIDATION, TEST = ("P@1", "PSP@5"), ("P@1", "P@5", "PSP@1", "PSP@5")
DRAWN = ("P@1", "PSP@5")
_ASIDE = frozenset(("seed", "num_threads", "progress", "logger", "hydra/launcher", "hydra.launcher.n_jobs"))


class Option(NamedTuple):
    """Results of all runs of one option.

    Attributes:
        name: overrides that define the option.
        validation: validation metrics in percent, by metric, one value per seed.
        test: test metrics in percent, by metric, one value per seed.
        seconds: training time, one value per seed.
    """

    name: str
    validation: Mapping[str, Sequence[float]]
    test: Mapping[str, Sequence[float]]
    seconds: Sequence[float]


def read_options(folders: Iterable[Path]) -> list[Option]:
    """Group all finished runs below some folders by their overrides, ignoring the seed."""
    groups = defaultdict(list)
    for path in sorted(path.parent for folder in folders for path in folder.rglob("metrics.json")):
        run = read_run(path)
        if not isinstance(run, LeftOut):
            changed = (each for each in run.facts["overrides"] if each.split("=")[0] not in _ASIDE)
            groups[" ".join(each for each in changed if not each.startswith("paths."))].append(run)
    return [
        Option(
            name=name.replace("experiment=", ""),
            validation={metric: [100 * run.metrics["validation"][metric] for run in runs] for metric in TEST},
            test={metric: [100 * run.metrics["test"][metric] for run in runs] for metric in TEST},
            seconds=[sum(stage["seconds"] for stage in run.facts["stages"].values()) for run in runs],
        )
        for name, runs in groups.items()
    ]


def table(options: Iterable[Option]) -> str:
    """Return a Markdown table of means and standard deviations over seeds."""
    header = (
        "option",
        *(f"validation {name}" for name in VALIDATION),
        *(f"test {name}" for name in TEST),
        "s",
    )
    rows = [
        (
            f"`{option.name}`",
            *(_spread(option.validation[name]) for name in VALIDATION),
            *(_spread(option.test[name]) for name in TEST),
            f"{mean(option.seconds):.0f}",
        )
        for option in options
    ]
    return markdown(header, rows)


def _spread(values: Sequence[float]) -> str:
    return f"{mean(values):.2f}" + (f" ± {stdev(values):.2f}" if len(values) > 1 else "")


def plot(options: Sequence[Option], path: Path) -> None:
    """Write a plot of test metrics over training time, with one named dot per option."""
    with mpl.rc_context({"font.size": 7, "svg.hashsalt": "xcgraph"}):
        figure = Figure(figsize=(11, 2 + 0.14 * len(options)), layout="constrained")
        for axes, metric in zip(figure.subplots(1, len(DRAWN)), DRAWN, strict=True):
            points = sorted(
                (mean(option.test[metric]), mean(option.seconds), option.name) for option in options
            )
            axes.plot(
                [seconds for _, seconds, _ in points], [value for value, _, _ in points], "o", markersize=4
            )
            axes.set(xlabel="seconds of training", ylabel=f"test {metric}, %", xlim=(0, None))
            axes.grid(alpha=0.3)
            _name_points(axes, points)
        figure.savefig(path, metadata={"Date": None})


def _name_points(axes: Axes, points: Sequence[tuple[float, float, str]]) -> None:
    """Write the names at the right edge, evenly spaced and in the order of the points."""
    for number, (value, seconds, name) in enumerate(points):
        axes.annotate(
            name,
            (seconds, value),
            (1.02, number / max(len(points) - 1, 1)),
            textcoords="axes fraction",
            va="center",
            arrowprops={"arrowstyle": "-", "lw": 0.4, "alpha": 0.5, "relpos": (0, 0.5), "shrinkA": 1},
        )


def main() -> None:
    """Print a Markdown table and write the plot to ``options.svg``."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.options",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "folders", type=Path, nargs="+", metavar="FOLDER", help="folder of runs on one dataset"
    )
    parser.add_argument("--out", type=Path, default=Path("benchmarks/out"), help="folder of the plot")
    arguments = parser.parse_args()
    options = read_options(arguments.folders)
    if not options:
        folders = " ".join(map(str, arguments.folders))
        raise SystemExit(f"{folders}: no finished run found; give folders that contain run folders.")
    arguments.out.mkdir(parents=True, exist_ok=True)
    plot(options, arguments.out / "options.svg")
    say_line(table(options))


if __name__ == "__main__":
    main()
