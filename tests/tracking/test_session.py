"""Session: when a tracker is started, given epochs, and finished."""

import logging
from pathlib import Path

import pytest

from xcgraph.tracking.session import Session
from xcgraph.tracking.tracker import RunStart

START = RunStart(name="run", group=None, job_type="eclare", tags=(), config={}, folder=Path())
METRICS = {"validation": {"P@1": 0.5}}


class RecordingTracker:
    """Records its calls and raises in the given steps."""

    def __init__(self, fails=()):
        self.calls, self.fails = [], fails

    def start(self, run):
        self._record("start", run)

    def log(self, stage, row):
        self._record("log", (stage, row["epoch"]))

    def finish(self, end):
        self._record("finish", end)

    def _record(self, step, argument):
        self.calls.append((step, argument))
        if step in self.fails:
            raise OSError(f"no {step}")


def test_each_epoch_is_reported_once_between_start_and_finish():
    tracker = RecordingTracker()
    session = Session(tracker, START)

    def execute():
        session.report("surrogate", [{"epoch": 1.0}])
        session.report("surrogate", [{"epoch": 1.0}, {"epoch": 2.0}])
        session.report("ranker", [{"epoch": 1.0}])
        session.report("surrogate", [{"epoch": 1.0}, {"epoch": 2.0}])
        return METRICS

    assert session.follow(execute) == METRICS
    assert tracker.calls[0] == ("start", START)
    assert tracker.calls[1:-1] == [
        ("log", ("surrogate", 1)),
        ("log", ("surrogate", 2)),
        ("log", ("ranker", 1)),
    ]
    step, end = tracker.calls[-1]
    assert (step, end.metrics, end.error, end.exit_code) == ("finish", METRICS, None, 0)


@pytest.mark.parametrize("error", [ValueError("broken"), KeyboardInterrupt()])
def test_failed_run_is_finished_with_exit_code_1(error):
    tracker = RecordingTracker()

    def execute():
        raise error

    with pytest.raises(type(error)):
        Session(tracker, START).follow(execute)
    step, end = tracker.calls[-1]
    assert (step, end.metrics, end.exit_code) == ("finish", {}, 1)
    assert end.error == (str(error) or "KeyboardInterrupt")


def test_tracker_that_cannot_start_stops_run_and_is_finished():
    tracker = RecordingTracker(fails=("start",))
    with pytest.raises(OSError, match="no start"):
        Session(tracker, START).follow(lambda: pytest.fail("the run was executed"))
    assert [step for step, _ in tracker.calls] == ["start", "finish"]


def test_tracker_that_fails_later_does_not_stop_run(caplog):
    tracker = RecordingTracker(fails=("log", "finish"))
    session = Session(tracker, START)

    def execute():
        session.report("surrogate", [{"epoch": 1.0}, {"epoch": 2.0}])
        return METRICS

    with caplog.at_level(logging.WARNING):
        assert session.follow(execute) == METRICS
    assert [step for step, _ in tracker.calls] == ["start", "log", "finish"]
    assert [record.getMessage() for record in caplog.records] == [
        f"RecordingTracker failed; the run goes on: no {step}" for step in ("log", "finish")
    ]
