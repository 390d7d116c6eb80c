"""Train a whole recipe, score the test points, and print what it took as JSON.

    python -m benchmarks.ours num_trees=1

The arguments are overrides of xcgraph-train. Nothing is taken from earlier runs. Prediction has one thread,
as peers have.
"""

import sys
import tempfile
from pathlib import Path
from typing import Any

import numba
import torch
from scipy.sparse import csr_array

from benchmarks.clock import Spread, peak_memory_gib, repeat, timed
from benchmarks.process import be_quiet, circumstances, compose_run, say
from xcgraph.artifacts import ArtifactStore
from xcgraph.metrics.evaluate import evaluate_scores
from xcgraph.pipeline.run import Model, Run
from xcgraph.pipeline.workspace import Workspace

RUNS = 3  # of prediction


def measure(run: Run) -> dict[str, Any]:
    """Fit the recipe and score the test points."""
    data, store, models = run.data.read(), ArtifactStore(Path(run.artifacts)), []
    work = Workspace.of(
        data,
        store,
        seed=run.seed,
        validation_fraction=run.validation.fraction,
        validation_seed=run.validation.seed,
    )
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
        **predicting(models[0], data.test.features),
        "peak_gib": peak_memory_gib(),
        "metrics": {name: value for name, value in metrics.items() if name.startswith(("P@", "PSP@"))},
    }


def predicting(model: Model, features: csr_array) -> dict[str, Any]:
    """Time prediction on one thread; what a peer reports as ``single_query`` belongs here too."""
    torch.set_num_threads(1)
    numba.set_num_threads(1)
    batches = repeat(lambda: model.score(features), RUNS)
    per_point = Spread.of([1e3 * took.seconds / features.shape[0] for took in batches])
    return {"predict_ms_per_point": per_point._asdict()}


def main() -> None:
    """Enter from the console."""
    be_quiet()
    with tempfile.TemporaryDirectory() as folder:
        say({**measure(compose_run(sys.argv[1:], Path(folder))), **circumstances()})


if __name__ == "__main__":
    main()
