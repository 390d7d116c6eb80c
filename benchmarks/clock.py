"""Seconds, milliseconds and memory; the standard library alone, for peers' environments lack the rest."""

import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import median, quantiles
from typing import NamedTuple


class Took(NamedTuple):
    """Time that something took.

    Attributes:
        seconds: on the clock.
        cpu_seconds: that this process was computing, all its threads together. Other programs on the machine
            change it less than they change the clock's.
    """

    seconds: float
    cpu_seconds: float

    @classmethod
    def now(cls) -> "Took":
        """Read both clocks."""
        return cls(time.perf_counter(), time.process_time())

    def since(self, start: "Took") -> "Took":
        """Return what has gone by."""
        return Took(self.seconds - start.seconds, self.cpu_seconds - start.cpu_seconds)

    def times(self, factor: float) -> "Took":
        """Return what so many times as much would take."""
        return Took(self.seconds * factor, self.cpu_seconds * factor)

    def __str__(self) -> str:
        return f"{self.seconds:.1f} s ({self.cpu_seconds:.1f} s of CPU)"


class Spread(NamedTuple):
    """Several measurements of one thing.

    Attributes:
        median: of all.
        least: the smallest; what disturbs a measurement adds to it.
        most: the largest.
        count: how many there were.
    """

    median: float
    least: float
    most: float
    count: int

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Sum up."""
        return cls(median(values), min(values), max(values), len(values))


def repeat(task: Callable[[], object], runs: int, warm_ups: int = 1) -> list[Took]:
    """Do something several times; the first ones, in which caches fill and code is compiled, do not count."""
    for _ in range(warm_ups):
        task()
    return [timed(task) for _ in range(runs)]


def repeat_within(task: Callable[[], object], runs: int, seconds: float) -> list[Took]:
    """Do something once to warm up and then several times, or less often if that would take too long.

    Args:
        task: what to do.
        runs: how many that count.
        seconds: that they may take; if the first takes longer, it counts and is the only one.
    """
    first = timed(task)
    if runs == 1 or first.seconds > seconds:
        return [first]
    second = timed(task)
    if second.seconds * runs > seconds:
        return [second]
    return [second, *(timed(task) for _ in range(runs - 1))]


def timed(task: Callable[[], object]) -> Took:
    """Do something once."""
    start = Took.now()
    task()
    return Took.now().since(start)


def latency(answers: Iterable[Callable[[], object]], warm_ups: int = 50) -> dict[str, float]:
    """Answer queries one at a time, and tell how long one takes.

    Args:
        answers: each answers one query; the first ones do not count.
        warm_ups: how many these are.

    Returns:
        ``p50_ms`` and ``p99_ms``, and ``queries``: how many counted.
    """
    seconds = [timed(answer).seconds for answer in answers][warm_ups:]
    cuts = quantiles(seconds, n=100, method="inclusive")
    return {"p50_ms": 1e3 * cuts[49], "p99_ms": 1e3 * cuts[98], "queries": len(seconds)}


def peak_memory_gib() -> float:
    """Tell the most memory that this process has held, in GiB: Linux only.

    ``ru_maxrss`` of a process starts at what its parent held when it was made; VmHWM does not.
    """
    status = Path("/proc/self/status").read_text("utf-8")
    return int(status.partition("VmHWM:")[2].split()[0]) / 2**20
