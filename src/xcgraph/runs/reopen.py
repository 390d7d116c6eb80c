"""Loads the model of a finished run from its folder, without training anything."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from xcgraph.data.xc_data import XCData
from xcgraph.errors import UserError
from xcgraph.recipes.models import HasViewShares
from xcgraph.recipes.workspace import Workspace
from xcgraph.runs.run import Model, Recipe, Validation
from xcgraph.storage.artifacts import Artifact, ArtifactStore, checksum, content_key, describe
from xcgraph.storage.safe_files import inside, read_json

_LONGEST_REASON = 200


class StoredStages(ArtifactStore):
    """The stages of a run as a read-only store: it builds nothing and changes nothing.

    Args:
        folder: the folder ``stages`` of the run.
    """

    def __init__(self, folder: Path) -> None:  # the base class would create folders
        self.root = folder
        self.code = ""
        self.used: dict[str, Artifact] = {}

    def make(self, name: str, inputs: Mapping[str, Any], build: Callable[[Path], None]) -> Artifact:
        """Return the stage with this name.

        Raises:
            UserError: the stage is missing or damaged, or has other inputs, for example those of another
                version.
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
        folder: folder of the run.
        recipe: the recipe that the run has fitted.
        validation: the validation split of the run.
        data: the dataset of the run.
        seed: the seed of the run.

    Raises:
        UserError: a stage is missing, damaged or belongs to another run.
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
    # Checksums detect damage, but not files that somebody has made up.
    except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())[:_LONGEST_REASON]
        raise UserError(
            f"{folder}: expected the stages of this run, found others ({reason}); train it again."
        ) from error


def view_shares(model: Model, labels: Sequence[int]) -> dict[str, list[float]]:
    """Return the share of each view in the vectors of some labels; of an ensemble, in its first member.

    Returns:
        By view, such as ``text`` and ``graph``, one share per label; the shares of a label sum to 1. Empty if
        the fusion has no weights per label.
    """
    if not isinstance(model, HasViewShares):
        return {}
    shares = model.view_shares(torch.tensor(labels, dtype=torch.long))
    return {name: share.tolist() for name, share in shares.items()}
