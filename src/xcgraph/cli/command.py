"""What every console script does alike: quiet logs, one sentence per mistake, an exit status."""

import argparse
import logging
import os
import sys
import warnings
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from xcgraph.cli.failures import FAILED, RUN_HINTS, RecoveryHints, describe_failure, one_line
from xcgraph.cli.sweep import CellHeldError, print_cells

Result = TypeVar("Result")


def run_command(entry: Callable[[], Any], advice: RecoveryHints = RUN_HINTS) -> None:
    """Run an entry point; leave the interpreter with a sentence and a status if it fails."""
    # Without it, Hydra would print its own report of an exception and leave with status 1.
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")
    logging.raiseExceptions = False  # a log file on a full disk is no reason for a traceback per line
    raised: BaseException | None = None
    try:
        entry()
    except (Exception, KeyboardInterrupt) as error:
        raised = error
    failed = print_cells()
    if failed and isinstance(raised, Exception):
        if one_line(raised) in failed:
            _leave("Some cells failed: the same command, mended, runs only what is missing.", FAILED)
        sys.stderr.write("The sweep itself was stopped, perhaps before all cells had begun:\n")
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


def _report(error: BaseException, advice: RecoveryHints = RUN_HINTS) -> NoReturn:
    """Say in one sentence what the user can mend; a defect of ours keeps its traceback."""
    mishap = describe_failure(error, advice)
    if mishap is None:
        raise error
    _leave(mishap.sentence, mishap.status)


def _leave(message: str, status: int) -> NoReturn:
    sys.stderr.write(f"{message}\n")
    sys.exit(status)


def add_trust(parser: argparse.ArgumentParser) -> None:
    """Let users name packages of their own."""
    parser.add_argument(
        "--trust",
        metavar="PACKAGE",
        action="append",
        default=[],
        help="a package of your own whose classes the config of a run names; may be given again",
    )
