"""Sweeps: a folder per cell whose name depends on its config alone, and a list of the cells at the end."""

import contextlib
import gc
import json
import logging
import os
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn, JobStatus
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, __version__

from xcgraph.cli.failures import chain, one_line
from xcgraph.errors import UserError
from xcgraph.identity import NOT_IN_A_CELL
from xcgraph.storage.artifacts import content_key, write_atomically
from xcgraph.storage.locks import HeldError, one_at_a_time

_log = logging.getLogger(__name__)


def cell_key(config: DictConfig) -> str:
    """Hash everything in a composed config that its result depends on."""
    keys = sorted(str(key) for key in config if key not in NOT_IN_A_CELL)
    nodes = ((key, OmegaConf.select(config, key)) for key in keys)
    return content_key({key: _plain(node) for key, node in nodes})


def _plain(node: Any) -> Any:  # noqa: ANN401 - any part of a config
    return OmegaConf.to_container(node, resolve=True) if OmegaConf.is_config(node) else node


# OmegaConf 2.4 warns of the old name, and 2.3 has another method by the new one.
_IS_NEW = tuple(map(int, __version__.split(".")[:2])) >= (2, 4)
_REGISTER = "register_resolver" if _IS_NEW else "register_new_resolver"
# Hydra resolves the name of a cell's folder with it, in each process that runs cells.
getattr(OmegaConf, _REGISTER)("cell", lambda _root_: cell_key(_root_), replace=True)


def finished_metrics(folder: Path, config: DictConfig) -> dict[str, dict[str, float]] | None:
    """Return the metrics of a folder whose run is complete and had this config, else None."""
    try:
        found = json.loads((folder / "metrics.json").read_text("utf-8"))
        before = OmegaConf.load(folder / "config.yaml")
    except FileNotFoundError:
        return None
    if not isinstance(before, DictConfig) or cell_key(before) != cell_key(config):
        return None
    return {split: metrics for split, metrics in found.items() if split != "data"}


class CellHeldError(UserError):
    """Another process runs the cell."""


@contextlib.contextmanager
def cell_lock(folder: Path) -> Iterator[None]:
    """Hold a run's folder: no two processes, of whatever machine, run the same cell.

    A single run waits for the other process, and so does a search, which learns from each result. A sweep
    over given values leaves the cell and goes on with the next.

    Raises:
        CellHeldError: another process runs it.
    """
    hydra = HydraConfig.get()
    given = hydra.mode is RunMode.MULTIRUN and str(hydra.sweeper._target_).endswith(BasicSweeper.__qualname__)
    folder.mkdir(parents=True, exist_ok=True)  # Hydra has made its own, which may be another
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(one_at_a_time(folder / f"{folder.name}.lock", wait=not given))
        except HeldError as held:
            raise CellHeldError(f"runs elsewhere, as {held}.") from None
        yield


# Of the sweep that this process runs: Hydra hands nothing on to who started it.
_journal: ContextVar[Path | None] = ContextVar("journal", default=None)
_sweep: ContextVar[str | None] = ContextVar("sweep", default=None)


def current_sweep() -> str | None:
    """Return the id of the sweep that this job is a cell of, the same for the same command; or None."""
    return _sweep.get()


class SweepJournal(Callback):
    """Writes how cells begin and end into a journal of the sweep, also from other processes."""

    def __init__(self) -> None:
        self._journal: Path | None = None
        self._id: str | None = None

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:  # noqa: ANN401 - Hydra's signature
        """Open the journal; launchers copy this object, and so its path, to where cells run."""
        del kwargs
        name = f"{time.strftime('%Y-%m-%d_%H-%M-%S')}-{os.getpid()}.jsonl"
        self._journal = Path(config.hydra.sweep.dir).absolute() / name
        self._id = f"sweep-{content_key({'overrides': sorted(config.hydra.overrides.task)})[:8]}"
        _journal.set(self._journal)

    def on_job_start(self, config: DictConfig, **kwargs: Any) -> None:  # noqa: ANN401 - Hydra's signature
        """Note that a cell begins."""
        del kwargs
        _sweep.set(self._id)
        if self._journal is not None:
            self._journal.parent.mkdir(parents=True, exist_ok=True)
            self._write({"cell": list(config.hydra.overrides.task), "folder": _folder(config)})

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **kwargs: Any) -> None:  # noqa: ANN401 - same
        """Note how a cell ended; the stack of one that failed goes into its folder."""
        del kwargs
        if self._journal is None:  # a single run
            return
        result, folder = job_return._return_value, _folder(config)
        line: dict[str, Any] = {"cell": list(job_return.overrides or []), "folder": folder}
        if isinstance(result, CellHeldError):
            self._write({**line, "elsewhere": f"{result}"})
            return
        error = Path(folder) / "error.txt"
        error.unlink(missing_ok=True)
        if job_return.status is JobStatus.COMPLETED:
            line["validation P@1"] = result
        else:
            line["error"] = one_line(result)
            write_atomically(error, "".join(traceback.format_exception(result)))
            _let_go(result)
        self._write(line)

    def _write(self, line: Mapping[str, Any]) -> None:
        """Add to the journal, and show how far the sweep is."""
        if self._journal is not None:
            with self._journal.open("a", encoding="utf-8") as journal:
                journal.write(f"{json.dumps(line)}\n")
            _log.info("Sweep: %s", count_cells(read_journal(self._journal)))


def _let_go(error: BaseException) -> None:
    """Forget the variables of a cell that failed: Hydra keeps its exception, and so its data and weights."""
    for cause in chain(error):
        traceback.clear_frames(cause.__traceback__)
    gc.collect()  # trainers and tasks refer to each other


def _folder(config: DictConfig) -> str:
    return str(config.hydra.runtime.output_dir)


def read_journal(path: Path) -> list[dict[str, Any]]:
    """Return the newest line of each cell, in the order in which they began."""
    newest: dict[str, dict[str, Any]] = {}
    for text in path.read_text("utf-8").splitlines():
        with contextlib.suppress(json.JSONDecodeError):  # a disk that is full takes half a line
            line = json.loads(text)
            newest[line["folder"]] = line
    return list(newest.values())


def count_cells(cells: Iterable[Mapping[str, Any]]) -> str:
    """Say how many cells are done, running and failed, and how many others run, if any."""
    states = Counter(map(_state, cells))
    shown = [state for state in _STATES if state != "elsewhere" or states[state]]
    return ", ".join(f"{states[state]} {state}" for state in shown)


_STATES = ("done", "running", "failed", "elsewhere")
_AT_THE_END = ("elsewhere", "running", "done", "failed")


def _state(cell: Mapping[str, Any]) -> str:
    if "error" in cell:
        return "failed"
    if "elsewhere" in cell:
        return "elsewhere"
    return "done" if "validation P@1" in cell else "running"


def print_cells() -> list[str]:
    """List the cells of the sweep that this process ran, if any; return what stopped those that failed."""
    journal = _journal.get()
    _journal.set(None)
    if journal is None or not journal.exists():
        return []
    cells = read_journal(journal)
    failed = [str(cell["error"]) for cell in cells if _state(cell) == "failed"]
    # The errors at the end, where a person looks.
    ordered = sorted(cells, key=lambda cell: _AT_THE_END.index(_state(cell)))
    lines = (f"  {_outcome(cell, journal.parent)}\n" for cell in ordered)
    sys.stderr.write(f"{len(cells)} cells in {journal.parent}, {len(failed)} of them failed:\n")
    sys.stderr.writelines(lines)
    return failed


def _outcome(cell: Mapping[str, Any], root: Path) -> str:
    folder, overrides = Path(cell["folder"]).relative_to(root), " ".join(cell["cell"])
    if _state(cell) == "failed":
        return f"{folder} ({overrides}) failed, see error.txt there: {cell['error']}"
    if _state(cell) == "elsewhere":
        return f"{folder} ({overrides}) {cell['elsewhere']}"
    if _state(cell) == "running":
        return f"{folder} ({overrides}) was stopped"
    return f"{folder} ({overrides}) validation P@1 {100 * cell['validation P@1']:.2f}"
