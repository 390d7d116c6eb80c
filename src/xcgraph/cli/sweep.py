"""Sweeps: the folder of a cell depends on its config alone, and a journal lists the cells."""

import contextlib
import gc
import json
import logging
import os
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn, JobStatus
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, __version__
from omegaconf.errors import InterpolationResolutionError

from xcgraph.cli.failures import chain, one_line
from xcgraph.cli.journal import CellHeldError, count_cells, read_journal, set_current_sweep, set_journal
from xcgraph.cli.places import absolute_places, without_places
from xcgraph.identity import NOT_IN_A_CELL
from xcgraph.storage.atomic_files import atomic_write
from xcgraph.storage.locks import HeldError, one_at_a_time
from xcgraph.storage.user_paths import output_folder

_log = logging.getLogger(__name__)


def cell_key(config: DictConfig) -> str:
    """Return a hash of all values of a composed config that change its result, which names a cell's folder.

    Paths of data are part of it, as absolute paths: two folders of data are two cells, and an edited folder
    stays the same cell. Whether the results in a cell's folder count is decided by :func:`result_key` and the
    content of the data, in :mod:`xcgraph.cli.results`.
    """
    return _hash(_values(config, absolute_places))


def result_key(config: DictConfig) -> str:
    """Return a hash of the same values without the places of data files.

    Results of runs with equal keys are the same if the content of their data and their code are the same.
    """
    return _hash(_values(config, without_places))


def _values(config: DictConfig, change_data: Callable[[Any], Any]) -> dict[str, Any]:
    keys = sorted(str(key) for key in config if key not in NOT_IN_A_CELL)
    values = {key: _plain(OmegaConf.select(config, key)) for key in keys}
    return {key: change_data(value) if key == "data" else value for key, value in values.items()}


def _hash(content: Mapping[str, Any]) -> str:
    # The module imports SciPy, which --help and --cfg do not need.
    from xcgraph.storage.artifacts import content_key

    return content_key(content)


def _plain(node: Any) -> Any:  # noqa: ANN401 - any part of a config
    return OmegaConf.to_container(node, resolve=True) if OmegaConf.is_config(node) else node


# OmegaConf 2.4 warns of the old name. In 2.3 the new name is another method.
_IS_NEW = tuple(map(int, __version__.split(".")[:2])) >= (2, 4)
_REGISTER = "register_resolver" if _IS_NEW else "register_new_resolver"
# Hydra resolves ${cell:}, the name of a cell's folder, in each process that runs cells.
getattr(OmegaConf, _REGISTER)("cell", lambda _root_: cell_key(_root_), replace=True)
# Hydra resolves ${output_root:${paths.root}} before it makes a folder: a wrong root is refused there.
getattr(OmegaConf, _REGISTER)(
    "output_root", lambda root: str(output_folder(str(root), "paths.root")), replace=True
)


@contextlib.contextmanager
def cell_lock(folder: Path) -> Iterator[None]:
    """Lock the folder of a run: no two processes, on the same machine or others, run the same cell.

    A single run waits for the other process. A search waits too, because it learns from each result. A sweep
    over listed values leaves the cell out and goes on with the next one.

    Raises:
        CellHeldError: another process runs the cell.
    """
    hydra = HydraConfig.get()
    is_listed = str(hydra.sweeper._target_).endswith(BasicSweeper.__qualname__)
    leaves_out = hydra.mode is RunMode.MULTIRUN and is_listed
    folder.mkdir(parents=True, exist_ok=True)  # paths.run may name another folder than the one Hydra made.
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(one_at_a_time(folder / f"{folder.name}.lock", wait=not leaves_out))
        except HeldError as held:
            raise CellHeldError(f"runs elsewhere, as {held}.") from None
        yield


class SweepJournal(Callback):
    """Writes the beginning and the end of each cell into the journal of the sweep, from every process."""

    def __init__(self) -> None:
        self._journal: Path | None = None
        self._id: str | None = None

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:  # noqa: ANN401 - Hydra's signature
        """Choose the journal's path. Launchers copy this object, with the path, to where cells run."""
        del kwargs
        name = f"{time.strftime('%Y-%m-%d_%H-%M-%S')}-{os.getpid()}.jsonl"
        with contextlib.suppress(InterpolationResolutionError):  # Hydra reports it next.
            self._journal = Path(config.hydra.sweep.dir).absolute() / name
            set_journal(self._journal)
        self._id = f"sweep-{_hash({'overrides': sorted(config.hydra.overrides.task)})[:8]}"

    def on_job_start(self, config: DictConfig, **kwargs: Any) -> None:  # noqa: ANN401 - Hydra's signature
        """Note that a cell begins."""
        del kwargs
        set_current_sweep(self._id)
        if self._journal is not None:
            self._journal.parent.mkdir(parents=True, exist_ok=True)
            self._write({"cell": list(config.hydra.overrides.task), "folder": _folder(config)})

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **kwargs: Any) -> None:  # noqa: ANN401 - same
        """Note how a cell ended. The traceback of a failed cell goes into the cell's folder."""
        del kwargs
        if self._journal is None:  # This is a single run.
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
            with atomic_write(error) as file:
                file.write("".join(traceback.format_exception(result)).encode())
            _release(result)
        self._write(line)

    def _write(self, line: Mapping[str, Any]) -> None:
        """Add a line to the journal, and log how far the sweep is."""
        if self._journal is not None:
            with self._journal.open("a", encoding="utf-8") as journal:
                journal.write(f"{json.dumps(line)}\n")
            _log.info("Sweep: %s", count_cells(read_journal(self._journal)))


def _release(error: BaseException) -> None:
    """Free the local variables of a failed cell. Hydra keeps its exception, and so its data and weights."""
    for cause in chain(error):
        traceback.clear_frames(cause.__traceback__)
    gc.collect()  # Trainers and tasks refer to each other.


def _folder(config: DictConfig) -> str:
    return str(config.hydra.runtime.output_dir)
