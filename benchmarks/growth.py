"""Measure how the time of each stage grows with labels, points, hops, neighbours and beam size.

    python -m benchmarks.growth [--axes labels beam] [--runs 3] [--out FOLDER] OVERRIDES

The benchmark varies one quantity at a time on synthetic data. One process times each stage once per value and
run, after one warm-up run. The exponent is the slope of a least-squares line through the medians, log-log.
"""

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from benchmarks.clock import timed
from benchmarks.process import circumstances, compose_run, markdown, note, say, say_line, show, workspace
from benchmarks.stages import ONE_EPOCH
from xcgraph.cli.command import hush_libraries
from xcgraph.runs.run import Run
from xcgraph.storage.artifacts import ArtifactStore

BASE = [
    "data=synthetic",
    "data.sizes.labels=4096",
    "data.sizes.train_points=16384",
    "data.sizes.test_points=4096",
    "data.sizes.topics=64",
    "shortlister.beam_size=50",
]
# The number of labels per topic and per meta-label stays fixed, and every label has points.
AXES: dict[str, dict[int, list[str]]] = {
    "labels": {
        count: [f"data.sizes.labels={count}", f"data.sizes.topics={count // 64}"]
        for count in (2048, 4096, 8192, 16384)
    },
    "points": {
        count: [f"data.sizes.train_points={count}", f"data.sizes.test_points={count // 4}"]
        for count in (8192, 16384, 32768, 65536)
    },
    "hops": {count: [f"hops={count}"] for count in (1, 2, 4)},
    "neighbours": {count: [f"graph.num_neighbors={count}"] for count in (5, 10, 20, 40)},
    "beam": {count: [f"shortlister.beam_size={count}"] for count in (25, 50, 100, 200)},
}
STAGES = {
    "graph": "graph",
    "tree-0-clusters": "clusters",
    "surrogate": "surrogate, one epoch",
    "tree-0-shortlister": "shortlister, one epoch",
    "tree-0-beams-train": "shortlists",
    "tree-0-ranker": "ranker, one epoch",
    "predict": "prediction",
}

Seconds = dict[str, float]  # by stage


def fit_exponent(values: Sequence[float], seconds: Sequence[float]) -> float:
    """Return b of seconds ≈ a · values^b, fitted by least squares on logarithms."""
    slope, _ = np.polyfit(np.log(values), np.log(seconds), 1)
    return float(slope)


def stage_seconds(run: Run, artifacts: Path) -> Seconds:
    """Return the seconds of each stage: fit the recipe in an empty artifact store, score the test points."""
    data, store, models = run.data.read(), ArtifactStore(artifacts), []
    work = workspace(run, data, store)
    models.append(run.recipe.fit(work))
    took = {name: artifact.cost()["seconds"] for name, artifact in store.used.items()}
    took["predict"] = timed(lambda: models[0].score(data.test.features)).seconds
    return {title: took[name] for name, title in STAGES.items()}


def measure(axis: str, overrides: Sequence[str], folder: Path, runs: int) -> dict[int, Seconds]:
    """Return the median seconds of each stage, by value of the varied quantity."""
    found = {}
    for value, changes in AXES[axis].items():
        run = compose_run([*BASE, *ONE_EPOCH, *overrides, *changes], folder)
        taken = []
        for _ in range(runs):
            with tempfile.TemporaryDirectory(dir=folder) as artifacts:
                taken.append(stage_seconds(run, Path(artifacts)))
        found[value] = {stage: median(one[stage] for one in taken) for stage in taken[0]}
        note(f"{axis} {value}: {', '.join(f'{name} {show(took)} s' for name, took in found[value].items())}")
    return found


def exponents(found: Mapping[int, Seconds]) -> dict[str, float]:
    """Return the fitted exponent of each stage."""
    stages = next(iter(found.values()))
    return {
        stage: fit_exponent(list(found), [max(took[stage], 1e-3) for took in found.values()])
        for stage in stages
    }


def plot(found: Mapping[str, Mapping[int, Seconds]], path: Path) -> None:
    """Write one log-log plot per axis, with the exponents in its legend."""
    with mpl.rc_context({"font.size": 8}):
        figure = Figure(figsize=(3.6 * len(found), 4.2), layout="constrained")
        for place, (axis, by_value) in enumerate(found.items(), 1):
            axes = figure.add_subplot(1, len(found), place)
            for stage, exponent in exponents(by_value).items():
                seconds = [took[stage] for took in by_value.values()]
                axes.loglog(list(by_value), seconds, "o-", label=f"{stage}: {exponent:.2f}", base=2)
            axes.set_xlabel(axis)
            axes.set_ylabel("seconds")
            axes.legend(title="exponent", fontsize=6)
        figure.savefig(path, dpi=120)


def table(found: Mapping[str, Mapping[int, Seconds]]) -> str:
    """Return a Markdown table of exponents and of seconds at the smallest and the largest value."""
    rows = []
    for axis, by_value in found.items():
        smallest, largest = min(by_value), max(by_value)
        for stage, exponent in exponents(by_value).items():
            ends = (show(by_value[end][stage]) for end in (smallest, largest))
            rows.append((axis, f"{smallest:,} – {largest:,}", stage, f"{exponent:.2f}", *ends))
    header = ("quantity", "from – to", "stage", "exponent", "s at the smallest", "s at the largest")
    return markdown(header, rows)


def run_all(
    axes: Sequence[str], overrides: Sequence[str], runs: int, out: Path
) -> dict[str, dict[int, Seconds]]:
    """Measure the given axes and write the plots to ``growth.png``."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        measure("hops", ["data.sizes.train_points=4096", *overrides], folder, 1)  # warm-up
        found = {axis: measure(axis, overrides, folder, runs) for axis in axes}
    out.mkdir(parents=True, exist_ok=True)
    plot(found, out / "growth.png")
    return found


def parse(arguments: Sequence[str] | None = None) -> tuple[Any, list[str]]:
    """Split the command line into options and overrides."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.growth",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--axes", nargs="+", choices=AXES, default=list(AXES), help="quantities to vary")
    parser.add_argument("--runs", type=int, default=1, help="runs per value; the median counts (default: 1)")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/out"), help="folder of the plots")
    return parser.parse_known_args(arguments)


def main() -> None:
    """Print a Markdown table, then all results as JSON."""
    hush_libraries()
    options, overrides = parse()
    found = run_all(options.axes, overrides, options.runs, options.out)
    say_line(table(found))
    say({"growth": found, "table": table(found), **circumstances()})


if __name__ == "__main__":
    main()
