"""Measure how an epoch of the joint recipe grows with the number of labels, for all or shared negatives.

    OMP_NUM_THREADS=1 python -m benchmarks.negatives [--labels 8192 131072] [--steps 3] [--out FOLDER]

The synthetic data has the proportions of LF-AmazonTitles-131K: points, labels and topics grow together; the
length of texts and the number of tokens stay fixed. The benchmark times a few steps, including the loading of
batches, and multiplies by the steps of an epoch (points and label texts). Times are CPU time on one thread,
because other programs disturb CPU time less than wall time. Each kind of negatives has its own process. The
process measures the sizes in ascending order, so its peak memory is the memory of the last size. All other
arguments are overrides of xcgraph-train.
"""

import argparse
import math
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.figure import Figure

from benchmarks.clock import peak_memory_gib, repeat
from benchmarks.growth import fit_exponent
from benchmarks.process import compose_run, markdown, run_module, say, say_line, show, workspace
from xcgraph.cli.command import hush_libraries
from xcgraph.data.batching import AllLabelsDataset
from xcgraph.memory import keep_freed_memory
from xcgraph.recipes.joint import Joint
from xcgraph.recipes.workspace import Workspace
from xcgraph.storage.artifacts import ArtifactStore
from xcgraph.tasks.label_network import LabelInputs

KINDS = {
    "all labels": ("experiment=joint", "negatives=all"),
    "shared negatives": ("experiment=ablation/joint_shared_negatives",),
}
LABELS = (8192, 16384, 32768, 65536, 131072)
_POINTS = 294_805 / 131_073  # per label

Growth = Mapping[str, Mapping[int, Mapping[str, float]]]  # by kind and number of labels


def sizes(labels: int) -> list[str]:
    """Return the overrides of a dataset with so many labels; it has few test points, which are not used."""
    return [
        "data=synthetic_amazontitles_131k",
        f"data.sizes.labels={labels}",
        f"data.sizes.train_points={round(_POINTS * labels)}",
        "data.sizes.test_points=16",
        f"data.sizes.topics={max(1, labels // 128)}",
    ]


def measure(recipe: Joint, work: Workspace, steps: int) -> dict[str, float]:
    """Time training steps and the ranking of a batch of validation points, each after one warm-up."""
    graph = recipe.graph.build(work.train.labels, None, work.seed)
    targets = recipe.negatives.make_batches(
        recipe.points.select(work.train, work.label_features, graph), work.seed
    )
    task = recipe.network.build(LabelInputs(work.label_features, graph), work.positive_rate(work.num_labels))
    optimizer, size = recipe.stage.optimizer(task.train(), lr=recipe.stage.lr), recipe.stage.batch_size
    order, valid = np.random.default_rng(work.seed).permutation(len(targets)), AllLabelsDataset(work.valid)
    starts, scored = iter(range(0, len(order), size)), []

    def train() -> None:
        start = next(starts)
        batch = targets[order[start : start + size]]
        optimizer.zero_grad()
        scores = task(batch)
        scored.append(scores.shape[1])
        task.likelihood.loss(scores, batch.positives, batch.relevance, batch.label_weights).backward()
        optimizer.step()

    @torch.no_grad()
    def rank() -> None:
        task.rank(valid[np.arange(min(size, len(valid)))], 5)

    step = median(one.cpu_seconds for one in repeat(train, steps))
    task.eval().start_ranking()
    ranking = median(one.cpu_seconds for one in repeat(rank, steps))
    return {
        "scored": max(scored),
        "step": step,
        "epoch": step * math.ceil(len(targets) / size),
        "validation": ranking * math.ceil(len(valid) / size),
        "gib": peak_memory_gib(),
    }


def child(kind: str, labels: Sequence[int], steps: int, overrides: Sequence[str]) -> None:
    """Measure one kind of negatives in this process and print the result as JSON."""
    hush_libraries()
    found = {}
    with tempfile.TemporaryDirectory() as temporary:
        for count in sorted(labels):
            run = compose_run([*KINDS[kind], "num_threads=1", *sizes(count), *overrides], Path(temporary))
            torch.set_float32_matmul_precision(run.recipe.stage.matmul_precision)  # type: ignore[attr-defined]
            keep_freed_memory(large=kind == "all labels")  # as a training stage does
            work = workspace(run, run.data.read(), ArtifactStore(Path(temporary) / "artifacts"))
            found[count] = measure(run.recipe, work, steps)  # type: ignore[arg-type]
    say({"found": list(found.items())})


def plot(found: Growth, path: Path) -> None:
    """Write a log-log plot of seconds per epoch over labels, with the exponents in the legend."""
    with mpl.rc_context({"font.size": 8, "svg.hashsalt": "xcgraph"}):
        figure = Figure(figsize=(5, 3.6), layout="constrained")
        axes = figure.add_subplot()
        for kind, by_labels in found.items():
            seconds = [each["epoch"] for each in by_labels.values()]
            exponent = fit_exponent(list(by_labels), seconds)
            axes.loglog(list(by_labels), seconds, "o-", label=f"{kind}: {exponent:.2f}", base=2)
        axes.set_xlabel("labels (points grow in proportion)")
        axes.set_ylabel("CPU seconds per epoch")
        axes.legend(title="exponent")
        figure.savefig(path, metadata={"Date": None})


def table(found: Growth) -> str:
    """Return a Markdown table of all measurements and of the fitted exponents."""
    header = (
        "negatives",
        "labels",
        "labels scored per step",
        "ms per step",
        "s per epoch",
        "s of validation",
        "GiB",
    )
    rows = []
    for kind, by_labels in found.items():
        for count, each in by_labels.items():
            times = f"{1000 * each['step']:,.0f}", show(each["epoch"]), show(each["validation"])
            rows.append((kind, f"{count:,}", f"{each['scored']:,.0f}", *times, f"{each['gib']:.2f}"))
        exponents = (
            f"{fit_exponent(list(by_labels), [each[name] for each in by_labels.values()]):.2f}"
            for name in ("step", "epoch", "validation")
        )
        rows.append((kind, "exponent", "", *exponents, ""))
    return markdown(header, rows)


def parse(arguments: Sequence[str] | None = None) -> tuple[Any, list[str]]:
    """Split the command line into options and overrides."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.negatives",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS), help="kinds of negatives")
    parser.add_argument("--labels", nargs="+", type=int, default=list(LABELS), help="numbers of labels")
    parser.add_argument("--steps", type=int, default=3, help="timed steps after one warm-up (default: 3)")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/out"), help="folder of the plot")
    parser.add_argument("--child", choices=KINDS, help=argparse.SUPPRESS)
    return parser.parse_known_args(arguments)


def main() -> None:
    """Print a Markdown table and write the plot to ``negatives.svg``."""
    options, overrides = parse()
    if options.child:
        child(options.child, options.labels, options.steps, overrides)
        return
    found = {}
    for kind in options.kinds:
        flags = ["--child", kind, "--steps", options.steps, "--labels", *options.labels]
        found[kind] = dict(run_module("benchmarks.negatives", *flags, *overrides)["found"])
    options.out.mkdir(parents=True, exist_ok=True)
    plot(found, options.out / "negatives.svg")
    say_line(table(found))


if __name__ == "__main__":
    main()
