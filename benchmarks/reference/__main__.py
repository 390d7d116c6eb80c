"""Train the reference, score the test points, and print costs and metrics as JSON."""

import argparse
import tempfile
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

from benchmarks.clock import Spread, Took, peak_memory_gib, repeat
from benchmarks.process import circumstances, compose_run, say
from benchmarks.reference.recipe import Reference
from benchmarks.reference.training import Clock, Training
from xcgraph.data.holdout import hold_out
from xcgraph.metrics.evaluate import evaluate_scores, training_inverse_propensity
from xcgraph.runs.run import Run

EPOCHS = {"surrogate": 20, "shortlister": 10, "ranker": 10}
PREDICTIONS = 3  # timed predictions of all test points, after one warm-up
LR = {"surrogate": 0.01, "shortlister": 0.008, "ranker": 0.008}


def parse(arguments: Sequence[str] | None = None) -> tuple[argparse.Namespace, list[str]]:
    """Split the command line into options and overrides of xcgraph-train; only data overrides matter."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reference", description=__doc__)
    add = parser.add_argument
    modules = ("I", "II", "IV")
    add("--epochs", type=int, nargs=3, default=list(EPOCHS.values()), metavar=modules, help="per module")
    add("--max-batches", type=int, help="steps per epoch; epoch times are extrapolated (default: all)")
    add("--dim", type=int, default=300, help="length of the vectors (default: 300)")
    add("--meta-labels", type=int, default=1 << 11, help="number of meta-labels, a power of two")
    add("--beam", type=int, default=50, help="meta-labels per point (default: 50)")
    add("--no-neighbours", action="store_true", help="train without neighbours of shortlisted labels")
    add("--workers", type=int, default=0, help="processes that slice points (default: 0)")
    add("--test-points", type=int, help="number of test points to score (default: all)")
    add("--folder", type=Path, help="folder that keeps converted data (default: a temporary folder)")
    return parser.parse_known_args(arguments)


def main() -> None:
    """Run the benchmark from the command line."""
    options, overrides = parse()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        say({**measure(compose_run(overrides, folder), options), **circumstances()})


def measure(run: Run, options: argparse.Namespace) -> dict[str, Any]:
    """Run the reference on the training points of our recipes, and return costs and metrics."""
    clock = Clock()
    with clock.step("read"):
        data = run.data.read()
    train, _ = hold_out(data.train, run.validation.fraction, run.validation.seed)
    trainings = {
        name: Training(name, epochs, LR[name], max_batches=options.max_batches)
        for name, epochs in zip(EPOCHS, options.epochs, strict=True)
    }
    recipe = Reference(
        **trainings,
        dim=options.dim,
        num_meta_labels=options.meta_labels,
        beam_size=options.beam,
        join_neighbours=not options.no_neighbours,
        num_workers=options.workers,
        seed=run.seed,
    )
    fitted = recipe.fit(train, data.label_features, clock)
    test = data.test
    if options.test_points:
        test = test.take(np.arange(min(options.test_points, len(test))))
    torch.set_num_threads(1)  # the other libraries predict on one thread too
    scores = fitted.score(test.features)  # also the warm-up
    took = repeat(lambda: fitted.score(test.features), PREDICTIONS, warm_ups=0)
    per_point = Spread.of([1e3 * one.seconds / len(test) for one in took])
    metrics = evaluate_scores(scores, test, inverse_propensity=training_inverse_propensity(data))
    return {
        "data": data.name,
        "train_points": len(train),
        **costs(clock),
        "is_whole": options.epochs == list(EPOCHS.values()) and options.max_batches is None,
        "predict_ms_per_point": per_point._asdict(),
        "peak_gib": peak_memory_gib(),
        "metrics": {name: value for name, value in metrics.items() if name.startswith(("P@", "PSP@"))},
    }


def costs(clock: Clock) -> dict[str, Any]:
    """Return the measured costs, and the cost of the whole recipe from the median epoch of each module."""
    epochs = {name: _median(took) for name, took in clock.epochs.items()}
    steps = {name: took for name, took in clock.steps.items() if name != "read"}
    return {
        "steps": {name: took._asdict() for name, took in clock.steps.items()},
        "epochs": {
            name: {"count": len(clock.epochs[name]), **took._asdict()} for name, took in epochs.items()
        },
        "training": _sum([*steps.values(), *chain(*clock.epochs.values())])._asdict(),
        "whole_recipe": _sum(
            [*steps.values(), *(epochs[name].times(EPOCHS[name]) for name in epochs)]
        )._asdict(),
    }


def _median(took: Sequence[Took]) -> Took:
    return Took(*map(median, zip(*took, strict=True)))


def _sum(took: Sequence[Took]) -> Took:
    return Took(*map(sum, zip(*took, strict=True)))


if __name__ == "__main__":
    main()
