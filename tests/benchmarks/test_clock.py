"""Tests of time and memory measurements."""

import time

import numpy as np
import pytest

from benchmarks.clock import Spread, Took, latency, peak_memory_gib, repeat, repeat_within


class Sleeper:
    """Replaces the wall clock by one that only ``sleep`` moves."""

    def __init__(self, monkeypatch):
        self.now = 100.0
        monkeypatch.setattr(time, "perf_counter", lambda: self.now)

    def sleep(self, seconds):
        self.now += seconds


@pytest.fixture
def sleeper(monkeypatch):
    return Sleeper(monkeypatch)


def test_repeat_does_not_count_the_warm_up(sleeper):
    seconds = iter([0.5, 0.25, 0.125])

    took = repeat(lambda: sleeper.sleep(next(seconds)), runs=2, warm_ups=1)

    assert [one.seconds for one in took] == [0.25, 0.125]


@pytest.mark.parametrize(
    ("limit", "expected"),
    [(60, [4, 3, 2]), (8, [4]), (0.5, [9])],
    ids=["all runs", "one run", "warm-up only"],
)
def test_repeat_within_counts_fewer_runs_if_time_is_short(sleeper, limit, expected):
    seconds = iter([9 if limit != 8 else 7, 4, 3, 2])

    took = repeat_within(lambda: sleeper.sleep(next(seconds)), 3, limit)

    assert [one.seconds for one in took] == expected


def test_latency_returns_the_percentiles_of_queries_after_the_warm_up(sleeper):
    seconds = [8.0] * 2 + [0.002] * 99 + [0.03] * 2

    found = latency((lambda wait=wait: sleeper.sleep(wait) for wait in seconds), warm_ups=2)

    assert found == {"p50_ms": pytest.approx(2), "p99_ms": pytest.approx(30), "queries": 101}


def test_spread_summarizes_values_and_took_is_multiplied():
    assert Spread.of([3.0, 1.0, 8.0]) == Spread(median=3.0, least=1.0, most=8.0, count=3)
    assert Took(2, 3).times(0.5) == Took(1, 1.5)


def test_peak_memory_includes_freed_memory():
    before = peak_memory_gib()
    np.ones(1 << 28, np.uint8).sum()

    assert peak_memory_gib() >= before
    assert peak_memory_gib() == pytest.approx(peak_memory_gib(), abs=0.01)
    assert peak_memory_gib() > 0.25
