"""Run console scripts in forks with all libraries loaded, so that kills interrupt the work itself."""

import contextlib
import ctypes
import importlib
import os
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

SCRIPTS = ("train", "data", "report", "export")
# The scripts import these when they need them.
_LATE = ("train_job", "sources", "statistics", "report.report", "saved_runs.sources", "predict.from_run")
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of prctl(2)


def load_libraries() -> None:
    """Import all libraries of the scripts. Nothing is computed because threads must not be forked."""
    for script in (*SCRIPTS, *_LATE):
        importlib.import_module(f"xcgraph.{script}" if "." in script else f"xcgraph.cli.{script}")


@dataclass(frozen=True)
class Forked:
    """A console script in its own process group.

    Attributes:
        pid: id of the process and of its group.
        started: start time on the monotonic clock.
    """

    pid: int
    started: float

    def kill_after(self, seconds: float) -> bool:
        """Kill the whole group some seconds after its start; return False if it ended earlier."""
        while (left := self.started + seconds - time.monotonic()) > 0:
            if os.waitpid(self.pid, os.WNOHANG)[0]:
                return False
            time.sleep(min(left, 0.01))
        os.killpg(self.pid, signal.SIGKILL)
        return os.WIFSIGNALED(os.waitpid(self.pid, 0)[1])

    def wait(self) -> int:
        """Wait until the script ends; return its exit status."""
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def log_of(folder: Path) -> Path:
    """Return the log of a folder's scripts, beside the folder because its disk may be full."""
    return folder.with_name(f"{folder.name}.log")


def fork_script(script: str, arguments: Sequence[str], folder: Path) -> Forked:
    """Start a script in a folder; its output is appended to :func:`log_of` the folder."""
    pid = os.fork()
    if pid:
        with contextlib.suppress(OSError):  # the child has set it already, or has ended
            os.setpgid(pid, pid)
        return Forked(pid, time.monotonic())
    try:
        _become(script, arguments, folder)
    finally:
        os._exit(70)  # never return into the code of the caller


def _become(script: str, arguments: Sequence[str], folder: Path) -> None:
    os.setpgid(0, 0)  # no new session: Linux may schedule sessions separately
    ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
    os.chdir(folder)
    tempfile.tempdir = str(folder / "tmp")
    output = os.open(log_of(folder), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    sys.argv = [f"xcgraph-{script}", *arguments]
    status = 0
    try:
        importlib.import_module(f"xcgraph.cli.{script}").main()
    except SystemExit as leaving:
        status = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    except BaseException:
        traceback.print_exc()
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
