"""Removes the folder of a run that was refused before it stored anything; Hydra makes it before the job."""

import contextlib
import shutil
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from xcgraph.cli.journal import CellHeldError
from xcgraph.errors import DivergedError, UserError

# What Hydra and xcgraph write before a run begins. A folder with anything else is kept.
_EARLY_FILES = frozenset({".hydra", "config.yaml", "epochs.csv", "error.txt"})
_EARLY_SUFFIXES = frozenset({".log"})

# The folders around the single run of this process that existed before it.
_existing: ContextVar[frozenset[Path] | None] = ContextVar("existing", default=None)


class RefusedFolders(Callback):
    """Remembers which folders existed before a run, and removes what refused cells of a sweep leave."""

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:  # noqa: ANN401 - Hydra's signature
        """Remember the folders that exist before Hydra makes the folder of a single run."""
        del kwargs
        # Hydra reports a path that cannot be when it makes the folder.
        with contextlib.suppress(OmegaConfBaseException, OSError):
            folders = (Path(config.hydra.run.dir), *_places(config))
            around = (place for folder in folders for place in _up(folder, Path("/")))
            _existing.set(frozenset(place for place in around if place.exists()))

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **kwargs: Any) -> None:  # noqa: ANN401 - same
        """Remove the folder of a refused cell."""
        del kwargs
        if is_refusal(job_return._return_value):
            _remove_early_files(Path(config.hydra.runtime.output_dir))


def is_refusal(error: object) -> bool:
    """Return whether an error is a mistake of the user that ended a run; a held cell runs elsewhere."""
    return isinstance(error, UserError) and not isinstance(error, DivergedError | CellHeldError)


def remove_refused_run(config: DictConfig) -> None:
    """Remove the folder of a refused single run, and empty folders around it, if this process made them.

    Commands without :class:`RefusedFolders` make no folders.
    """
    existing = _existing.get()
    if existing is None:
        return
    root = Path(config.paths.root).expanduser().absolute()
    folders = {Path(HydraConfig.get().runtime.output_dir).absolute(), *_places(config)}
    for folder in folders - existing:
        _remove_early_files(folder)
    for folder in folders:
        for place in _up(folder, root):
            if place not in existing:
                _remove_empty(place)


def _places(config: DictConfig) -> list[Path]:
    """Return the folders in which a run writes."""
    known = (OmegaConf.select(config, f"paths.{name}", default=None) for name in ("artifacts", "converted"))
    unresolved: Any = OmegaConf.to_container(config.paths, resolve=False)
    named = [] if "${hydra:" in str(unresolved["run"]) else [config.paths.run]
    return [Path(str(place)).expanduser().absolute() for place in (*known, *named) if place is not None]


def _up(folder: Path, root: Path) -> Iterator[Path]:
    """Yield a folder, the folder around it and so on up to the root; none if it lies elsewhere."""
    folder, root = folder.absolute(), root.absolute()
    if folder.is_relative_to(root):
        yield from (place for place in (folder, *folder.parents) if place.is_relative_to(root))


def _remove_early_files(folder: Path) -> None:
    """Remove a folder that has nothing but what is written before a run begins."""
    if folder.is_dir() and all(_is_early(file) for file in folder.iterdir()):
        shutil.rmtree(folder, ignore_errors=True)


def _is_early(file: Path) -> bool:
    if file.name == "epochs.csv":
        return file.read_bytes().count(b"\n") <= 1  # the header
    return file.name in _EARLY_FILES or file.suffix in _EARLY_SUFFIXES


def _remove_empty(folder: Path) -> None:
    with contextlib.suppress(OSError):  # it is not empty, or not there
        folder.rmdir()
