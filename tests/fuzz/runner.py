"""One input after the other, under limits of time and memory; what fails is kept."""

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

SECONDS = 5  # of this process, for one input
DEAD_SECONDS = 30  # likewise, where no Python runs that could be interrupted: the process is ended
WAITING_SECONDS = 300  # of the clock, for something that never comes
_WARM_UP = 12  # inputs without a limit, in which loops are compiled
MEMORY_MIB = 512  # more than before, for one input
_ADDRESS_SPACE = 8 << 30  # more than at the start


class TooSlowError(Exception):
    """An input took too long."""


class FailureError(Exception):
    """An input led to something else than success or a sentence."""


@dataclass
class Tally:
    """What came of the inputs of one target, and the processor's time that they took."""

    read: int = 0
    refused: int = 0
    failed: int = 0
    seconds: float = 0.0
    kinds: dict = field(default_factory=dict)

    @property
    def inputs(self):
        return self.read + self.refused + self.failed


def limit_memory():
    """Let no allocation take the machine's memory; what it refuses counts as a failure."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + _ADDRESS_SPACE, resource.RLIM_INFINITY))


@contextlib.contextmanager
def limit_time():
    def stop(*_):
        raise TooSlowError("it takes too long")

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
    """Gives inputs to targets, in a folder of its own.

    Args:
        scratch: an empty folder, best in memory.
        failures: where failing inputs are kept.
    """

    def __init__(self, scratch: Path, failures: Path) -> None:
        self._input, self._work = scratch / "input", scratch / "work"
        self._failures = failures
        self._peak = peak_memory_mib()

    def warm_up(self, target: Target) -> None:
        """Have the loops compiled that a target runs."""
        for number in range(_WARM_UP):
            self.write(target.make(Random(f"warm {target.name} {number}")), {})
            with contextlib.suppress(Exception), contextlib.chdir(self._work):
                target.read(self._input, self._work)
        self._peak = peak_memory_mib()

    def run(self, target: Target, seed: int, number: int, tally: Tally) -> None:
        """Make an input, give it, and count what came of it."""
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
            if tally.kinds[kind] <= 3:  # more of a kind teach nothing
                self.keep(target.name, f"{seed}-{number}", str(error))
        tally.seconds += time.process_time() - started

    def write(self, files, about):
        """Write an input; if reading it ends this process, it is what the parent finds."""
        for folder in (self._input, self._work):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        for name, content in files.items():
            path = self._input / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        (self._input.parent / "about.json").write_text(json.dumps(about))

    def attempt(self, target, folder):
        """Read an input; True if it was read, False if it was refused.

        Raises:
            FailureError: anything else.
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
    """Name an error by its type and the line of ours that it passed last."""
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
