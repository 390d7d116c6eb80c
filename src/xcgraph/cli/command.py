"""What every console script does alike: quiet logs, one sentence per mistake, an exit status."""

import errno
import logging
import os
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar

from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from xcgraph.cli.sweep import CellHeldError, print_cells
from xcgraph.errors import UserError

CELLS_FAILED = 1
USER_ERROR = 2
INTERRUPTED = 130

Result = TypeVar("Result")

_NOT_WRITABLE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST)


@dataclass(frozen=True, kw_only=True)
class Advice:
    """What a command tells a user whom something stopped.

    Attributes:
        interrupted: what happens after Ctrl-C.
        output: how to choose another folder to write to.
    """

    interrupted: str
    output: str


OF_RUNS = Advice(
    interrupted="the same command goes on at the last finished epoch", output="paths.root=FOLDER"
)


def run_command(entry: Callable[[], Any], advice: Advice = OF_RUNS) -> None:
    """Run an entry point; leave the interpreter with a sentence and a status if it fails."""
    # Without it, Hydra would print its own report of an exception and leave with status 1.
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")
    raised: BaseException | None = None
    try:
        entry()
    except (Exception, KeyboardInterrupt) as error:
        raised = error
    if print_cells() and isinstance(raised, Exception):
        _leave("Some cells failed: the same command, mended, runs only what is missing.", CELLS_FAILED)
    if isinstance(raised, CellHeldError):
        _leave("Other processes run some cells: the same command, given later, takes their results.", 0)
    if raised is not None:
        _report(raised, advice)


def hush_libraries() -> None:
    """Leave out what libraries say to their own users, such as how a Trainer could be set up better."""
    for name in ("pytorch_lightning", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", module=r"pytorch_lightning|lightning_fabric|torch|torch_geometric")


def run_job(job: Callable[[DictConfig], Result], config: DictConfig) -> Result:
    """Run what a Hydra entry point is there for.

    A single run that fails is reported here, for Hydra would add its own line; in a sweep Hydra must see
    the exception, so that the other cells go on.
    """
    hush_libraries()
    try:
        return job(config)
    except (Exception, KeyboardInterrupt) as error:
        if HydraConfig.get().mode is RunMode.MULTIRUN:
            raise
        _report(error)


def _report(error: BaseException, advice: Advice = OF_RUNS) -> NoReturn:
    """Say a mistake that the user can mend in one sentence; a defect of ours keeps its traceback."""
    if isinstance(error, KeyboardInterrupt):
        _leave(f"Interrupted: {advice.interrupted}.", INTERRUPTED)
    if isinstance(error, UserError | HydraException | OmegaConfBaseException):
        _leave(str(error), USER_ERROR)
    if isinstance(error, OSError) and (message := _environment_error(error, advice)) is not None:
        _leave(message, USER_ERROR)
    raise error


def _leave(message: str, status: int) -> NoReturn:
    sys.stderr.write(f"{message}\n")
    sys.exit(status)


def _environment_error(error: OSError, advice: Advice) -> str | None:
    """Say what is wrong with the disk, or None if it is not about that."""
    where = f" ({error.filename})" if error.filename else ""
    if error.errno == errno.ENOSPC:
        return f"The disk is full{where}: free some space and give the same command again."
    if error.errno in _NOT_WRITABLE:
        reason = os.strerror(error.errno)
        return f"Cannot write the output{where}: {reason}. Choose another folder with {advice.output}."
    return None
