"""Repeat the training step at which a run diverged."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor

from xcgraph.code_digest import code_digest
from xcgraph.errors import UserError
from xcgraph.recipes.keyed import Keyed, Step
from xcgraph.recipes.workspace import AnyTask, Training, Workspace
from xcgraph.runs.folder import RunFolder
from xcgraph.saved_runs.sources import ConfigSources
from xcgraph.storage.artifacts import Artifact, ArtifactStore
from xcgraph.tasks.task import Task
from xcgraph.training.divergence import DIVERGED, BadStep
from xcgraph.training.stage import Stage


@dataclass(frozen=True, kw_only=True)
class Replay:
    """A training step that can be repeated.

    Attributes:
        name: name of the stage.
        stage: how the stage trains.
        task: the task that the stage trains.
        bad: the diverged step.
    """

    name: str
    stage: Stage
    task: Task
    bad: BadStep

    def loss(self) -> Tensor:
        """Compute the loss from the step's weights, batch and random numbers; it can be differentiated."""
        self.task.load_state_dict(self.bad.weights)
        self.task.random_state = self.bad.random_state
        return self.stage.take_step(self.task, self.bad.batch)


def replay(run: Path, trust: Sequence[str] = ()) -> Replay:
    """Find the step at which a run diverged, and rebuild the task of its stage.

    Finished stages come from the run's artifact store. If the paths in the run's config are relative, call
    this function in the folder where the run was started.

    Args:
        run: folder of the run that diverged.
        trust: packages other than xcgraph whose classes the run's config may name.

    Raises:
        UserError: the folder is not the folder of a run, or the run has not diverged.
    """
    try:
        config = yaml.safe_load((run / "config.yaml").read_text("utf-8"))
        described = ConfigSources(trust, run).run(RunFolder(path=run, config=config, metrics={}, facts={}))
    except (OSError, TypeError, AttributeError, yaml.YAMLError) as error:
        raise UserError(
            f"{run}: expected a run folder with a config.yaml, but cannot read it: {error}."
        ) from error
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    torch.set_num_threads(described.num_threads)
    work = _ReplayedWorkspace.of(
        described.data.read(),
        _UnfinishedStore(Path(described.artifacts), code_digest()),
        seed=described.seed,
        validation_fraction=described.validation.fraction,
        validation_seed=described.validation.seed,
    )
    try:
        described.recipe.fit(work)
    except _FoundReplay as found:
        return found.replay
    raise UserError(f"{run}: expected a run that diverged, but all of its trainings have finished.")


class _FoundReplay(Exception):  # noqa: N818 - it ends the recipe when the step is found
    def __init__(self, replay: Replay) -> None:
        super().__init__()
        self.replay = replay


class _DivergedError(Exception):
    def __init__(self, file: Path) -> None:
        super().__init__()
        self.file = file


class _UnfinishedStore(ArtifactStore):
    """A store that trains nothing: it returns finished artifacts and finds the diverged one."""

    def make(self, name: str, inputs: Mapping[str, Any], build: Callable[[Path], None]) -> Artifact:
        final = self.folder(name, inputs)
        file = final.with_name(f"{final.name}.partial") / DIVERGED
        if file.exists():
            raise _DivergedError(file)
        if not final.exists():
            raise UserError(
                f"{name}: expected a finished or a diverged training in {self.root}, found neither."
            )
        return super().make(name, inputs, build)


class _ReplayedWorkspace(Workspace):
    """A workspace whose recipe stops at the training that diverged."""

    def train_task(self, step: Step[Training[AnyTask]], stage: Stage) -> Keyed[AnyTask]:
        try:
            return super().train_task(step, stage)
        except _DivergedError as diverged:
            bad = BadStep.load(diverged.file)
            raise _FoundReplay(
                Replay(name=step.name, stage=stage, task=self.build_task(step).task, bad=bad)
            ) from None
