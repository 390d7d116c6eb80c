"""The step at which a run diverged, taken again as often as one likes."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor

from xcgraph.data.batching import AllLabelsDataset
from xcgraph.errors import UserError
from xcgraph.metrics.xc_metrics import XCMetrics
from xcgraph.recipes.workspace import Keyed, Workspace
from xcgraph.runs.folder import RunFolder
from xcgraph.saved_runs.sources import ConfigSources
from xcgraph.storage.artifacts import Artifact, ArtifactStore, content_key
from xcgraph.tasks.task import AnyTask, Task
from xcgraph.training.divergence import DIVERGED, BadStep
from xcgraph.training.stage import Stage


@dataclass(frozen=True, kw_only=True)
class Replay:
    """A training step that can be taken again.

    Attributes:
        name: of the stage.
        stage: how it trains.
        task: what it trains.
        bad: the step.
    """

    name: str
    stage: Stage
    task: Task
    bad: BadStep

    def loss(self) -> Tensor:
        """Compute the loss anew, from that step's weights, batch and random numbers; it has gradients."""
        self.task.load_state_dict(self.bad.weights)
        self.task.random_state = self.bad.random_state
        return self.stage.take_step(self.task, self.bad.batch)


def replay(run: Path, trust: Sequence[str] = ()) -> Replay:
    """Find the step at which a run diverged, and build again what was trained.

    What the run had finished is taken from its artifacts; call it where the run was started, if its config
    has relative paths.

    Args:
        run: the folder of the run that stopped.
        trust: packages whose classes the run's config may name, beside those of xcgraph.

    Raises:
        UserError: the folder is no run's, or the run has no diverged step.
    """
    try:
        config = yaml.safe_load((run / "config.yaml").read_text("utf-8"))
        described = ConfigSources(trust, run).run(RunFolder(path=run, config=config, metrics={}, facts={}))
    except (OSError, TypeError, AttributeError, yaml.YAMLError) as error:
        raise UserError(f"{run}: expected the folder of a run, found no config of one: {error}.") from error
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    torch.set_num_threads(described.num_threads)
    work = _Replayed.of(
        described.data.read(),
        _Unfinished(Path(described.artifacts)),
        seed=described.seed,
        validation_fraction=described.validation.fraction,
        validation_seed=described.validation.seed,
    )
    try:
        described.recipe.fit(work)
    except _Found as found:
        return found.replay
    raise UserError(f"{run}: expected a run that diverged, found one that finished all of its trainings.")


class _Found(Exception):  # noqa: N818 - it stops the recipe where it has come to the step
    def __init__(self, replay: Replay) -> None:
        super().__init__()
        self.replay = replay


class _Diverged(Exception):  # noqa: N818
    def __init__(self, file: Path) -> None:
        super().__init__()
        self.file = file


class _Unfinished(ArtifactStore):
    """A store that trains nothing: it gives what is finished, and looks into what is not."""

    def make(self, name: str, inputs: Mapping[str, Any], build: Callable[[Path], None]) -> Artifact:
        key = content_key({"name": name, **inputs})
        file = self.root / f"{name}-{key}.partial" / DIVERGED
        if file.exists():
            raise _Diverged(file)
        if not (self.root / f"{name}-{key}").exists():
            raise UserError(f"{name}: expected it finished or diverged, found neither in {self.root}.")
        return super().make(name, inputs, build)


class _Replayed(Workspace):
    def keep_task(
        self,
        name: str,
        inputs: Mapping[str, Any],
        stage: Stage,
        build: Callable[[], AnyTask],
        fit_on: tuple[AllLabelsDataset, AllLabelsDataset],
        metrics: XCMetrics,
    ) -> Keyed[AnyTask]:
        try:
            return super().keep_task(name, inputs, stage, build, fit_on, metrics)
        except _Diverged as diverged:
            bad = BadStep.load(diverged.file)
            raise _Found(Replay(name=name, stage=stage, task=build(), bad=bad)) from None
