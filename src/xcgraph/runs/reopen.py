"""A finished run's model, made again from its folder without training anything."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from xcgraph.data.xc_data import XCData
from xcgraph.errors import UserError
from xcgraph.nn.fusion import AttentionFusion
from xcgraph.nn.label_graph import LabelGraphLayer
from xcgraph.recipes.models import Ensemble, Tree
from xcgraph.recipes.workspace import Workspace
from xcgraph.runs.run import Model, Recipe, Validation
from xcgraph.storage.artifacts import Artifact, ArtifactStore, checksum, content_key, describe
from xcgraph.storage.safe_files import inside, read_json
from xcgraph.tasks.xc_task import XCTask

_LONGEST_REASON = 200


class StoredStages(ArtifactStore):
    """The stages in a run's folder, as a store that builds and changes nothing.

    Args:
        folder: the run's ``stages``.
    """

    def __init__(self, folder: Path) -> None:  # the base class would make folders
        self.root = folder
        self.used: dict[str, Artifact] = {}

    def make(self, name: str, inputs: Mapping[str, Any], build: Callable[[Path], None]) -> Artifact:
        """Return the stage of this name.

        Raises:
            UserError: it is missing or damaged, or was made of other inputs, as by another version.
        """
        del build
        folder = self.root / name
        try:
            manifest = read_json(folder / "manifest.json")
            sums = {file: checksum(inside(folder, file)) for file in manifest["files"]}
            intact = sums == manifest["files"]
            same = manifest["inputs"] == json.loads(json.dumps(describe(inputs)))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(f"{folder}: expected a finished stage, found {error}.") from error
        if not intact or not same:
            found = "one made of other inputs" if intact else "one that does not match its checksums"
            raise UserError(f"{folder}: expected the stage of this run, found {found}.")
        return Artifact(folder, content_key({"name": name, **inputs}))


def reopen(folder: Path, recipe: Recipe, validation: Validation, *, data: XCData, seed: int) -> Model:
    """Load the model of a finished run.

    Args:
        folder: the run's.
        recipe: as it was fitted.
        validation: as it was held out.
        data: the same data.
        seed: the run's.

    Raises:
        UserError: a stage is missing, damaged or of another run.
    """
    work = Workspace.of(
        data,
        StoredStages(folder / "stages"),
        seed=seed,
        validation_fraction=validation.fraction,
        validation_seed=validation.seed,
    )
    try:
        return recipe.fit(work)
    # Checksums tell what has been damaged, not what somebody has made up.
    except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())[:_LONGEST_REASON]
        raise UserError(
            f"{folder}: expected the stages of this run, found others ({reason}); train it again."
        ) from error


def view_shares(model: Model, labels: Sequence[int]) -> dict[str, list[float]]:
    """Return how the first tree's ranker weighs the views of some labels; empty if it does not weigh them.

    Returns:
        By view, such as ``text`` and ``graph``, a share per label; a label's shares sum to 1.
    """
    first = model.members[0] if isinstance(model, Ensemble) else model
    if not isinstance(first, Tree):
        return {}
    shares = task_view_shares(first.ranker.task, torch.tensor(labels, dtype=torch.long))
    return {name: share.tolist() for name, share in shares.items()}


def task_view_shares(task: XCTask, ids: Tensor | None = None) -> dict[str, Tensor]:
    """Return by view how a task's fusion weighs the views of some labels, or of all; empty if it does not."""
    fusion = task.classifier.fusion
    if not isinstance(fusion, AttentionFusion):
        return {}
    with torch.no_grad():
        shares = fusion.weights((*task.label_graph(ids), *task.classifier.refinement(ids)))
    hops = task.label_graph.hops if isinstance(task.label_graph, LabelGraphLayer) else ()
    names = [_view_name(hop) for hop in hops]
    names += ["refinement"] * (shares.shape[1] - len(names))
    return {name: shares[:, view] for view, name in enumerate(names)}


def _view_name(hop: int) -> str:
    if hop < 2:
        return ("text", "graph")[hop]
    return f"graph, {hop} hops"
