"""Runs a console script: quiet libraries, one sentence per mistake, an exit status."""

import argparse
import logging
import os
import sys
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from xcgraph.cli.failures import FAILED, RUN_HINTS, USER_ERROR, RecoveryHints, describe_failure, one_line
from xcgraph.cli.journal import CellHeldError, print_cells

if TYPE_CHECKING:
    from omegaconf import DictConfig

Result = TypeVar("Result")


def run_command(entry: Callable[[], Any], hints: RecoveryHints = RUN_HINTS) -> None:
    """Run an entry point. If it fails, print one sentence and leave the interpreter with an exit status."""
    # Without it, Hydra would print its own report of an exception and leave with status 1.
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")
    logging.raiseExceptions = False  # A log file on a full disk must not cause a traceback per line.
    raised: BaseException | None = None
    try:
        entry()
    except (Exception, KeyboardInterrupt) as error:
        raised = error
    failed = print_cells()
    if failed and isinstance(raised, Exception):
        if one_line(raised) in failed:
            _leave("Some cells failed. The corrected command runs only what is missing.", FAILED)
        sys.stderr.write("The sweep itself was stopped, perhaps before all cells had begun:\n")
    if isinstance(raised, CellHeldError):
        _leave("Other processes run some cells. Give the command again later to take their results.", 0)
    if raised is not None:
        _report(raised, hints)


def run_config_command(entry: Callable[[], Any], primary: str) -> None:
    """Run an entry point of Hydra, and explain overrides that do not fit the config.

    Args:
        entry: a function that ``hydra.main`` has decorated.
        primary: name of the primary config, such as ``train``.
    """

    def run() -> None:
        from hydra.errors import HydraException

        try:
            entry()
        except HydraException as error:
            from xcgraph.cli.refusals import explain

            sentence = explain(error, primary, sys.argv[1:])
            if sentence is None:
                raise
            _leave(sentence, USER_ERROR)

    run_command(run)


def hush_libraries() -> None:
    """Silence what libraries print for their own users, such as advice on the Trainer."""
    for name in ("pytorch_lightning", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", module=r"pytorch_lightning|lightning_fabric|torch|torch_geometric")


def run_job(job: "Callable[[DictConfig], Result]", config: "DictConfig") -> Result:
    """Run the job of a Hydra entry point.

    A failed single run is reported here, before Hydra adds a line of its own. In a sweep Hydra must see the
    exception, because it goes on with the other cells.
    """
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    from xcgraph.cli.refused import is_refusal, remove_refused_run

    hush_libraries()
    try:
        return job(config)
    except (Exception, KeyboardInterrupt) as error:
        if HydraConfig.get().mode is RunMode.MULTIRUN:
            raise
        if is_refusal(error):
            remove_refused_run(config)
        _report(error)


def _report(error: BaseException, hints: RecoveryHints = RUN_HINTS) -> NoReturn:
    """Print what the user can correct. A defect of ours keeps its traceback."""
    failure = describe_failure(error, hints)
    if failure is None:
        raise error
    _leave(failure.sentence, failure.status)


def _leave(message: str, status: int) -> NoReturn:
    sys.stderr.write(f"{message}\n")
    sys.exit(status)


def add_trust(parser: argparse.ArgumentParser) -> None:
    """Add the option that names packages of the user's own."""
    parser.add_argument(
        "--trust",
        metavar="PACKAGE",
        action="append",
        default=[],
        help="a package of your own whose classes the config of a run names; may be given again",
    )
