"""Checkpoints that are written atomically, and that cannot run code when they are read."""

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
    """Writes a checkpoint to a draft in the same folder, and renames it.

    Lightning's own class writes to the temporary folder and then moves the file. If the temporary folder is
    on another disk, the move is a copy, and a kill could leave half a file.
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
        """Read a checkpoint of tensors and plain values; refuse pickled objects."""
        del weights_only
        return load_tensors(Path(path), map_location)


def save_tensors(path: Path, state: dict[str, Any]) -> None:
    """Write tensors and plain values in one step: a reader finds the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as file:
        try:
            torch.save(state, file)
        except RuntimeError as error:  # torch raises it if it cannot close the file on a full disk
            raise (error.__context__ if isinstance(error.__context__, OSError) else error) from None


def load_tensors(path: Path, map_location: Callable[..., Any] | None = None) -> dict[str, Any]:
    """Read a file of :func:`save_tensors`, by default to the CPU.

    Raises:
        UserError: the file is not such a file, for example because it contains pickled objects; they are not
            loaded.
    """
    with open_regular(path) as file:
        try:
            state = torch.load(file, map_location=map_location or "cpu", weights_only=True)
        except Exception as error:  # torch raises many types
            reason = str(error).partition("\n")[0][:_LONGEST_REASON]
            raise UserError(
                f"{path}: expected a checkpoint of tensors and plain values, found another file ({reason}); "
                "remove it, and the stage is trained again."
            ) from error
    if not isinstance(state, dict):
        raise UserError(f"{path}: expected a checkpoint, found {type(state).__name__}; remove it.")
    return state
