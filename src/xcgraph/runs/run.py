"""A run: fit a recipe on a dataset, evaluate it, and write the run folder."""

import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol, runtime_checkable

import numba
import numpy as np
import torch
from pytorch_lightning import Trainer
from scipy.sparse import csr_array

from xcgraph.data.datamodule import XCDataModule
from xcgraph.data.xc_data import Split, XCData
from xcgraph.errors import UserError
from xcgraph.metrics.calibration import fit_calibration, predicted_pairs
from xcgraph.metrics.evaluate import evaluate_scores
from xcgraph.recipes.sizes import DataSizes
from xcgraph.recipes.workspace import Workspace
from xcgraph.runs.provenance import UNKNOWN, RunOrigin, environment, stage_costs
from xcgraph.sparse import remove_pairs
from xcgraph.storage.artifacts import ArtifactStore, save_csr, write_atomically
from xcgraph.storage.atomic_files import remove_drafts
from xcgraph.training.curves import Report
from xcgraph.training.processes import Processes
from xcgraph.training.progress import Pace, ProgressListener, check_mode, ignore

_log = logging.getLogger(__name__)

CALIBRATION = "calibration.npz"


@runtime_checkable
class Model(Protocol):
    """A trained model."""

    def score(self, features: csr_array) -> csr_array:
        """Return (points, labels) scores of (points, tokens) texts, with a few labels per row."""


@runtime_checkable
class Recipe(Protocol):
    """A method, such as ECLARE."""

    def check(self, num_labels: int) -> None:
        """Raise a UserError if a value does not fit this number of labels."""

    def sized(self, sizes: DataSizes) -> tuple["Recipe", tuple[str, ...]]:
        """Return the recipe with settings that fit the data, and the changes for the log.

        :meth:`fit` uses these settings too.
        """

    def epochs(self) -> dict[str, int]:
        """Return the number of epochs of each training, by name and in order."""

    def fit(self, work: Workspace) -> Model:
        """Train the model; take from the workspace's store what it already has."""


@dataclass(frozen=True, kw_only=True)
class Validation:
    """The choice of training points to hold out for validation.

    Attributes:
        fraction: share of the training points, in (0, 1).
        seed: random seed of the choice. It is not the run's seed, so that runs with different seeds have the
            same validation points.
    """

    fraction: float = 0.05
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.fraction < 1:
            raise UserError(f"validation.fraction must lie in (0, 1), got {self.fraction}.")


@dataclass(frozen=True, kw_only=True)
class Run:
    """Fits a recipe on a dataset, scores the test points, and writes the results into a run folder.

    Attributes:
        data: the dataset.
        recipe: the method.
        validation: which training points to hold out.
        seed: random seed for the whole run.
        num_threads: number of threads of torch and numba. The order of sums depends on it, and thus the last
            bits of a result.
        artifacts: folder of the artifact store. Runs share it, and take from it the stages that they have in
            common.
        folder: the run's own folder.
        progress: how to show progress: bar, lines, quiet, or auto.
        trainer: builds the Trainer of all stages, which decides whether several processes run the recipe.
    """

    data: XCDataModule
    recipe: Recipe
    validation: Validation
    seed: int
    num_threads: int
    artifacts: str
    folder: str
    progress: str = "auto"
    trainer: Callable[..., Trainer] | None = None

    def __post_init__(self) -> None:
        if self.num_threads < 1:
            raise UserError(f"num_threads must be ≥ 1, got {self.num_threads}.")
        if self.seed < 0:
            raise UserError(f"seed must be ≥ 0, got {self.seed}.")
        check_mode(self.progress)

    @cached_property
    def processes(self) -> Processes:
        """The processes that run the recipe."""
        return Processes(self.trainer)

    def execute(self, origin: RunOrigin = UNKNOWN, report: Report = ignore) -> dict[str, dict[str, float]]:
        """Train, evaluate and write ``metrics.json``, ``predictions.npz``, ``run.json`` and ``stages/``.

        Args:
            origin: the command that started the run.
            report: called with a stage's name and all rows of its curves, after each epoch.

        Returns:
            The metrics of the validation points and of the test points, as fractions. If there are no test
            points, they have no metrics. Processes other than the first return an empty result and write
            nothing.
        """
        started = time.perf_counter()
        torch.set_num_threads(self.num_threads)
        max_threads: int = numba.config.NUMBA_NUM_THREADS  # type: ignore[attr-defined]  # set at import
        numba.set_num_threads(min(self.num_threads, max_threads))
        if "labels" in self.data.statistics:
            self.recipe.check(self.data.statistics["labels"])
        if self.processes.is_first:
            remove_drafts(Path(self.folder))
        data = self.data.data
        with self.processes.join(Path(self.artifacts)) as store:
            work = self._workspace(data, store, report)
            _log.info("%s: %d training points, %d labels", data.name, len(work.train), data.num_labels)
            self._log_changes(len(data.train), work)
            model = self.recipe.fit(work)
        if not self.processes.is_first:
            return {}
        held_out = _scores(model, work.valid)
        _calibrate(held_out, work, Path(self.folder))
        metrics = {
            "validation": _measure(held_out, work.valid, work),
            "test": self._test(model, data.test, work),
        }
        for name, artifact in store.used.items():
            artifact.link_into(Path(self.folder) / "stages" / name)
        self._write_provenance(data, store, origin, time.perf_counter() - started)
        # This file comes last: a run folder with metrics.json is complete.
        content = json.dumps({"data": data.name, **metrics}, indent=1)
        write_atomically(Path(self.folder) / "metrics.json", content)
        return metrics

    def _workspace(self, data: XCData, store: ArtifactStore, report: Report) -> Workspace:
        return Workspace.of(
            data,
            store,
            seed=self.seed,
            validation_fraction=self.validation.fraction,
            validation_seed=self.validation.seed,
            listener=ProgressListener(mode=self.progress, report=report, pace=Pace(self.recipe.epochs())),
        )

    def _log_changes(self, num_points: int, work: Workspace) -> None:
        """Say which settings differ from the user's because the data are small or large."""
        changes = self.recipe.sized(work.sizes)[1]
        wanted = round(self.validation.fraction * num_points)
        if wanted != len(work.valid):
            share = f"validation.fraction {self.validation.fraction} of {num_points:,} points"
            changes = (*changes, f"{share} → {len(work.valid):,} to validate on")
        if changes:
            _log.info(
                "Fitted to the data (%s labels, %s training points): %s.",
                f"{work.num_labels:,}",
                f"{len(work.train):,}",
                ", ".join(changes),
            )

    def _test(self, model: Model, test: Split, work: Workspace) -> dict[str, float]:
        scores = _scores(model, test)
        save_csr(Path(self.folder) / "predictions.npz", scores)
        return _measure(scores, test, work) if len(test) else {}

    def _write_provenance(
        self, data: XCData, store: ArtifactStore, origin: RunOrigin, seconds: float
    ) -> None:
        facts = {
            "data": {
                "name": data.name,
                "fingerprint": data.fingerprint,
                "labels": data.labels_fingerprint,
            },
            "command": origin.command,
            "overrides": origin.overrides,
            "seed": self.seed,
            "seeds": {"run": self.seed, "validation": self.validation.seed},
            "num_threads": self.num_threads,
            "seconds": round(seconds, 1),
            **environment(),
            "stages": stage_costs(store.used),
        }
        write_atomically(Path(self.folder) / "run.json", json.dumps(facts, indent=1))


def _scores(model: Model, split: Split) -> csr_array:
    """Score points, and remove the pairs that must not count as predictions."""
    return remove_pairs(model.score(split.features), split.filter_pairs)


def _calibrate(scores: csr_array, work: Workspace, folder: Path) -> None:
    """Fit probabilities on the validation points, for models that are exported from the run."""
    predicted = predicted_pairs(scores, work.valid.labels)
    if len(predicted.scores):
        frequencies = np.bincount(work.train.labels.indices, minlength=work.num_labels)
        fit_calibration(predicted, frequencies).save(folder / CALIBRATION)


def _measure(scores: csr_array, split: Split, work: Workspace) -> dict[str, float]:
    return evaluate_scores(scores, split, inverse_propensity=work.inverse_propensity)
