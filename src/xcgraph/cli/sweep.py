"""Sweeps: a folder per cell whose name depends on its config alone, and a list of the cells at the end."""

import json
import os
import sys
import time
import traceback
from collections.abc import Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn, JobStatus
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

from xcgraph.artifacts import content_key
from xcgraph.errors import UserError

# What a cell's result does not depend on.
_ASIDE = ("hydra", "paths", "run")


def cell_key(config: DictConfig) -> str:
    """Hash everything in a composed config that its result depends on."""
    keys = sorted(str(key) for key in config if key not in _ASIDE)
    nodes = ((key, OmegaConf.select(config, key)) for key in keys)
    return content_key({key: _plain(node) for key, node in nodes})


def _plain(node: Any) -> Any:  # noqa: ANN401 - any part of a config
    return OmegaConf.to_container(node, resolve=True) if OmegaConf.is_config(node) else node


# Hydra resolves the name of a cell's folder with it, in each process that runs cells.
OmegaConf.register_new_resolver("cell", lambda _root_: cell_key(_root_), replace=True)


def finished_metrics(folder: Path, config: DictConfig) -> dict[str, dict[str, float]] | None:
    """Return the metrics of a folder whose run is complete and had this config, else None."""
    try:
        before = OmegaConf.load(folder / "config.yaml")
        metrics: dict[str, dict[str, float]] = json.loads((folder / "metrics.json").read_text("utf-8"))
    except FileNotFoundError:
        return None
    return metrics if isinstance(before, DictConfig) and cell_key(before) == cell_key(config) else None


# Of the sweep that this process runs: Hydra hands nothing on to who started it.
_journal: ContextVar[Path | None] = ContextVar("journal", default=None)


class Cells(Callback):
    """Writes a line per finished or failed cell into a journal of the sweep, also from other processes."""

    def __init__(self) -> None:
        self._journal: Path | None = None

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:  # noqa: ANN401 - Hydra's signature
        """Open the journal; launchers copy this object, and so its path, to where cells run."""
        del kwargs
        name = f"{time.strftime('%Y-%m-%d_%H-%M-%S')}-{os.getpid()}.jsonl"
        self._journal = Path(config.hydra.sweep.dir).absolute() / name
        _journal.set(self._journal)

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **kwargs: Any) -> None:  # noqa: ANN401 - same
        """Note how a cell ended; the stack of one that failed goes into its folder."""
        del kwargs
        if self._journal is None:  # a single run
            return
        folder, result = Path(config.hydra.runtime.output_dir), job_return._return_value
        line = {"cell": list(job_return.overrides or []), "folder": str(folder)}
        (folder / "error.txt").unlink(missing_ok=True)
        if job_return.status is JobStatus.COMPLETED:
            line["validation P@1"] = result
        else:
            line["error"] = (
                f"{result}" if isinstance(result, UserError) else f"{type(result).__name__}: {result}"
            )
            (folder / "error.txt").write_text("".join(traceback.format_exception(result)), "utf-8")
        with self._journal.open("a", encoding="utf-8") as journal:
            journal.write(f"{json.dumps(line)}\n")


def print_cells() -> bool:
    """List the cells of the sweep that this process ran, if any; return whether one has failed."""
    journal = _journal.get()
    _journal.set(None)
    if journal is None or not journal.exists():
        return False
    cells = [json.loads(line) for line in journal.read_text("utf-8").splitlines()]
    failed = sum("error" in cell for cell in cells)
    # The errors at the end, where a person looks.
    ordered = sorted(cells, key=lambda cell: "error" in cell)
    lines = (f"  {_outcome(cell, journal.parent)}\n" for cell in ordered)
    sys.stderr.write(f"{len(cells)} cells in {journal.parent}, {failed} of them failed:\n")
    sys.stderr.writelines(lines)
    return failed > 0


def _outcome(cell: Mapping[str, Any], root: Path) -> str:
    folder, overrides = Path(cell["folder"]).relative_to(root), " ".join(cell["cell"])
    if "error" in cell:
        return f"{folder} ({overrides}) failed, see error.txt there: {cell['error']}"
    return f"{folder} ({overrides}) validation P@1 {100 * cell['validation P@1']:.2f}"
