"""Measure time and memory.

This module uses the standard library only, because the environments of the other libraries lack the rest.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import median, quantiles
from typing import NamedTuple


class Took(NamedTuple):
    """Wall time and CPU time of one measurement.

    Attributes:
        seconds: wall time.
        cpu_seconds: CPU time of this process, summed over its threads. Other programs on the machine disturb
            it less than they disturb wall time.
    """

    seconds: float
    cpu_seconds: float

    @classmethod
    def now(cls) -> "Took":
        """Return the current values of both clocks."""
        return cls(time.perf_counter(), time.process_time())

    def since(self, start: "Took") -> "Took":
        """Return the time between ``start`` and this reading."""
        return Took(self.seconds - start.seconds, self.cpu_seconds - start.cpu_seconds)

    def times(self, factor: float) -> "Took":
        """Return both times multiplied by ``factor``."""
        return Took(self.seconds * factor, self.cpu_seconds * factor)

    def __str__(self) -> str:
        return f"{self.seconds:.1f} s ({self.cpu_seconds:.1f} s of CPU)"


class Spread(NamedTuple):
    """Summary of repeated measurements.

    Attributes:
        median: median of all values.
        least: smallest value. Disturbances only add time, so this value is the least disturbed one.
        most: largest value.
        count: number of values.
    """

    median: float
    least: float
    most: float
    count: int

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Summarize the given values."""
        return cls(median(values), min(values), max(values), len(values))


def repeat(task: Callable[[], object], runs: int, warm_ups: int = 1) -> list[Took]:
    """Time ``runs`` calls of a task, after some warm-up calls that fill caches and compile code."""
    for _ in range(warm_ups):
        task()
    return [timed(task) for _ in range(runs)]


def repeat_within(task: Callable[[], object], runs: int, seconds: float) -> list[Took]:
    """Time ``runs`` calls of a task after one warm-up call, or fewer calls if time is short.

    Args:
        task: function to time.
        runs: number of timed calls.
        seconds: time limit for all timed calls. If they would exceed it, one call is timed. If the warm-up
            call already exceeds it, that call is the measurement.
    """
    first = timed(task)
    if runs == 1 or first.seconds > seconds:
        return [first]
    second = timed(task)
    if second.seconds * runs > seconds:
        return [second]
    return [second, *(timed(task) for _ in range(runs - 1))]


def timed(task: Callable[[], object]) -> Took:
    """Call a task once and return its time."""
    start = Took.now()
    task()
    return Took.now().since(start)


def latency(answers: Iterable[Callable[[], object]], warm_ups: int = 50) -> dict[str, float]:
    """Return latency percentiles of queries that are answered one at a time.

    Args:
        answers: functions that each answer one query.
        warm_ups: number of queries at the start that are not counted.

    Returns:
        ``p50_ms``, ``p99_ms`` and ``queries``, the number of counted queries.
    """
    seconds = [timed(answer).seconds for answer in answers][warm_ups:]
    percentiles = quantiles(seconds, n=100, method="inclusive")
    return {"p50_ms": 1e3 * percentiles[49], "p99_ms": 1e3 * percentiles[98], "queries": len(seconds)}


def peak_memory_gib() -> float:
    """Return the peak memory of this process in GiB (Linux only).

    It reads VmHWM, because ``ru_maxrss`` of a new process starts at the memory of its parent.
    """
    status = Path("/proc/self/status").read_text("utf-8")
    return int(status.partition("VmHWM:")[2].split()[0]) / 2**20
