"""Run targets on inputs, under limits of time and memory, and keep the inputs that fail."""

import contextlib
import json
import resource
import shutil
import signal
import time
import traceback
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from xcgraph.errors import UserError
from xcgraph.memory import peak_memory_mib

from .arrays import PLANTED
from .target import Target

SECONDS = 5  # maximum CPU time for one input
DEAD_SECONDS = 30  # CPU time after which the process is ended, in case no Python code can be interrupted
WAITING_SECONDS = 300  # maximum wall-clock time for one input
_WARM_UP = 12  # inputs without limits at the start, during which loops are compiled
MEMORY_MIB = 512  # maximum growth of peak memory for one input
_ADDRESS_SPACE = 8 << 30  # maximum growth of the address space in total


class TooSlowError(Exception):
    """Reading an input took too long."""


class FailureError(Exception):
    """Reading an input neither succeeded nor raised a UserError."""


@dataclass
class Tally:
    """The results of the inputs of one target, and their CPU time."""

    read: int = 0
    refused: int = 0
    failed: int = 0
    seconds: float = 0.0
    kinds: dict = field(default_factory=dict)

    @property
    def inputs(self):
        return self.read + self.refused + self.failed


def limit_memory():
    """Limit the address space; an allocation beyond it counts as a failure."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + _ADDRESS_SPACE, resource.RLIM_INFINITY))


@contextlib.contextmanager
def limit_time():
    def stop(*_):
        raise TooSlowError("reading took too long")

    timers = {
        signal.ITIMER_VIRTUAL: (signal.SIGVTALRM, SECONDS, stop),
        signal.ITIMER_PROF: (signal.SIGPROF, DEAD_SECONDS, signal.SIG_DFL),
        signal.ITIMER_REAL: (signal.SIGALRM, WAITING_SECONDS, stop),
    }
    before = {number: signal.signal(number, handler) for number, _, handler in timers.values()}
    for timer, (_, seconds, _) in timers.items():
        signal.setitimer(timer, seconds)
    try:
        yield
    finally:
        for timer in timers:
            signal.setitimer(timer, 0)
        for number, handler in before.items():
            signal.signal(number, handler)


class Runner:
    """Runs targets on inputs in a folder of its own.

    Args:
        scratch: an empty folder, preferably in memory.
        failures: folder that keeps failing inputs.
    """

    def __init__(self, scratch: Path, failures: Path) -> None:
        self._input, self._work = scratch / "input", scratch / "work"
        self._failures = failures
        self._peak = peak_memory_mib()

    def warm_up(self, target: Target) -> None:
        """Run a target without limits, which compiles its loops."""
        for number in range(_WARM_UP):
            self.write(target.make(Random(f"warm {target.name} {number}")), {})
            with contextlib.suppress(Exception), contextlib.chdir(self._work):
                target.read(self._input, self._work)
        self._peak = peak_memory_mib()

    def run(self, target: Target, seed: int, number: int, tally: Tally) -> None:
        """Generate an input, read it, and count the result."""
        files = target.make(Random(f"{seed} {target.name} {number}"))
        self.write(files, {"target": target.name, "seed": seed, "number": number})
        started = time.process_time()
        try:
            if self.attempt(target, self._input):
                tally.read += 1
            else:
                tally.refused += 1
        except FailureError as error:
            tally.failed += 1
            kind = str(error).splitlines()[0]
            tally.kinds[kind] = tally.kinds.get(kind, 0) + 1
            if tally.kinds[kind] <= 3:  # three inputs of the same error are enough
                self.keep(target.name, f"{seed}-{number}", str(error))
        tally.seconds += time.process_time() - started

    def write(self, files, about):
        """Write an input. If reading it ends this process, the parent process keeps it."""
        for folder in (self._input, self._work):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        for name, content in files.items():
            path = self._input / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        (self._input.parent / "about.json").write_text(json.dumps(about))

    def attempt(self, target, folder):
        """Read an input; return True if that succeeded and False if it raised a UserError.

        Raises:
            FailureError: anything else happened, or the read took too much memory.
        """
        self._work.mkdir(parents=True, exist_ok=True)
        try:
            with contextlib.chdir(self._work), limit_time(), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                read = self._attempt(target, folder)
        except UserError as error:
            read = False
            if _chain_has(error, MemoryError):
                raise FailureError(f"MemoryError behind: {error}") from error
            if len(str(error)) > 2000:
                raise FailureError(f"a message of {len(str(error))} characters") from error
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            raise FailureError(
                f"{_kind(error)}\n{''.join(traceback.format_exception(error))[-6000:]}"
            ) from error
        self._check_memory()
        if (self._work / PLANTED).exists():
            raise FailureError("a planted pickle was opened")
        return read

    def _attempt(self, target, folder):
        target.read(folder, self._work)
        return True

    def _check_memory(self):
        before, self._peak = self._peak, peak_memory_mib()
        if self._peak > before + MEMORY_MIB:
            raise FailureError(f"memory: {self._peak - before} MiB more")

    def keep(self, name, number, error):
        folder = self._failures / name / number
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self._input, folder)
        (folder / "error.txt").write_text(error, "utf-8", "backslashreplace")


def _kind(error):
    """Return the type of an error and the last line of xcgraph in its traceback."""
    frames = [
        frame for frame in traceback.extract_tb(error.__traceback__) if "/src/xcgraph/" in frame.filename
    ]
    place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "?"
    return f"{type(error).__name__} at {place}"


def _chain_has(error, kind):
    while error is not None:
        if isinstance(error, kind):
            return True
        error = error.__cause__ or error.__context__
    return False
