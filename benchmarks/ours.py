"""Train one of our recipes, score the test points, and print costs and metrics as JSON.

    python -m benchmarks.ours num_trees=1

The arguments are overrides of xcgraph-train. No results of earlier runs are reused. The benchmark predicts
with ``Predictor`` on one thread, and with as many labels per point as the other libraries.
"""

import sys
import tempfile
from pathlib import Path
from typing import Any

import numba
import torch

from benchmarks.clock import Spread, latency, peak_memory_gib, repeat, timed
from benchmarks.process import circumstances, compose_run, say, workspace
from xcgraph.cli.command import hush_libraries
from xcgraph.data.xc_data import XCData
from xcgraph.metrics.evaluate import evaluate_scores
from xcgraph.predict.export import portable
from xcgraph.predict.predictor import Predictor
from xcgraph.runs.run import Model, Run
from xcgraph.storage.artifacts import ArtifactStore

RUNS = 3  # timed predictions of all test points
QUERIES = 1000  # single queries, including 50 warm-up queries
TOP_K = 20


def measure(run: Run) -> dict[str, Any]:
    """Fit the recipe, score the test points, and return costs and metrics."""
    data, store, models = run.data.read(), ArtifactStore(Path(run.artifacts)), []
    work = workspace(run, data, store)
    training = timed(lambda: models.append(run.recipe.fit(work)))
    training_gib = peak_memory_gib()
    scores = models[0].score(data.test.features)
    metrics = evaluate_scores(scores, data.test, inverse_propensity=work.inverse_propensity)
    return {
        "data": data.name,
        "training": training._asdict(),
        "training_gib": training_gib,
        "steps": {name: artifact.cost()["seconds"] for name, artifact in store.used.items()},
        "epochs": run.recipe.epochs(),
        **predicting(models[0], data),
        "peak_gib": peak_memory_gib(),
        "metrics": {name: value for name, value in metrics.items() if name.startswith(("P@", "PSP@"))},
    }


def predicting(model: Model, data: XCData) -> dict[str, Any]:
    """Measure prediction of the test points on one thread, in one batch and one by one."""
    torch.set_num_threads(1)
    numba.set_num_threads(1)
    predictor, points = Predictor(portable(model, data)), data.test.features
    batches = repeat(lambda: predictor.predict(points, TOP_K), RUNS)
    single = [points[[row]] for row in range(min(QUERIES, len(data.test)))]
    return {
        "predict_ms_per_point": Spread.of(
            [1e3 * took.seconds / len(data.test) for took in batches]
        )._asdict(),
        "single_query": latency(
            (lambda row=row: predictor.predict(row, TOP_K) for row in single),
            warm_ups=min(50, len(single) // 2),
        ),
    }


def main() -> None:
    """Run the benchmark from the command line."""
    hush_libraries()
    with tempfile.TemporaryDirectory() as folder:
        say({**measure(compose_run(sys.argv[1:], Path(folder))), **circumstances()})


if __name__ == "__main__":
    main()
