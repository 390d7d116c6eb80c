"""Checkpoints that are whole or absent, and that cannot run code when they are read."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.plugins.io import TorchCheckpointIO

from xcgraph.errors import UserError
from xcgraph.storage.atomic_files import atomic_write
from xcgraph.storage.safe_files import open_regular

_LONGEST_REASON = 200


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes beside the target, syncs and renames.

    Lightning's own writes to the temporary folder first and then moves, which is a plain copy where that
    folder lies on another disk: a kill could leave half a file.
    """

    def save_checkpoint(
        self,
        checkpoint: dict[str, Any],
        path: str | Path,
        storage_options: Any = None,  # noqa: ANN401 - Lightning's signature
    ) -> None:
        """Write a checkpoint."""
        del storage_options
        save_tensors(Path(path), checkpoint)

    def load_checkpoint(
        self,
        path: str | Path,
        map_location: Callable[..., Any] | None = None,
        weights_only: bool | None = True,
    ) -> dict[str, Any]:
        """Read a checkpoint: tensors and plain values, never objects."""
        del weights_only
        return load_tensors(Path(path), map_location)


def save_tensors(path: Path, state: dict[str, Any]) -> None:
    """Write tensors and plain values so that a reader finds the old file or the new, never half of one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as file:
        try:
            torch.save(state, file)
        except RuntimeError as error:  # torch's own, when it cannot close what the disk has no room for
            raise (error.__context__ if isinstance(error.__context__, OSError) else error) from None


def load_tensors(path: Path, map_location: Callable[..., Any] | None = None) -> dict[str, Any]:
    """Read what :func:`save_tensors` wrote, on the CPU unless told otherwise.

    Raises:
        UserError: it is something else, such as a pickle of objects: none of them is made.
    """
    with open_regular(path) as file:
        try:
            state = torch.load(file, map_location=map_location or "cpu", weights_only=True)
        except Exception as error:  # torch raises a dozen kinds
            reason = str(error).partition("\n")[0][:_LONGEST_REASON]
            raise UserError(
                f"{path}: expected a checkpoint of tensors and plain values, found another file ({reason}); "
                "remove it, and what it held is made anew."
            ) from error
    if not isinstance(state, dict):
        raise UserError(f"{path}: expected a checkpoint, found {type(state).__name__}; remove it.")
    return state
