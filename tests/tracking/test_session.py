import logging
from pathlib import Path

import pytest

from xcgraph.tracking.session import Session
from xcgraph.tracking.tracker import RunStart

START = RunStart(name="run", group=None, job_type="eclare", tags=(), config={}, folder=Path())
METRICS = {"validation": {"P@1": 0.5}}


class Listener:
    """Notes what it is told, and raises when it is asked to."""

    def __init__(self, fails=()):
        self.told, self.fails = [], fails

    def start(self, run):
        self._note("start", run)

    def log(self, stage, row):
        self._note("log", (stage, row["epoch"]))

    def finish(self, end):
        self._note("finish", end)

    def _note(self, step, what):
        self.told.append((step, what))
        if step in self.fails:
            raise OSError(f"no {step}")


def test_run_is_begun_followed_and_finished():
    listener = Listener()
    session = Session(listener, START)

    def execute():
        session.report("surrogate", [{"epoch": 1.0}])
        session.report("surrogate", [{"epoch": 1.0}, {"epoch": 2.0}])
        session.report("ranker", [{"epoch": 1.0}])
        session.report("surrogate", [{"epoch": 1.0}, {"epoch": 2.0}])
        return METRICS

    assert session.follow(execute) == METRICS
    assert listener.told[0] == ("start", START)
    assert listener.told[1:-1] == [
        ("log", ("surrogate", 1)),
        ("log", ("surrogate", 2)),
        ("log", ("ranker", 1)),
    ]
    step, end = listener.told[-1]
    assert (step, end.metrics, end.error, end.exit_code) == ("finish", METRICS, None, 0)


@pytest.mark.parametrize("error", [ValueError("broken"), KeyboardInterrupt()])
def test_run_that_fails_is_finished_with_exit_code_1(error):
    listener = Listener()

    def execute():
        raise error

    with pytest.raises(type(error)):
        Session(listener, START).follow(execute)
    step, end = listener.told[-1]
    assert (step, end.metrics, end.exit_code) == ("finish", {}, 1)
    assert end.error == (str(error) or "KeyboardInterrupt")


def test_tracker_that_cannot_start_stops_the_run_and_is_finished():
    listener = Listener(fails=("start",))
    with pytest.raises(OSError, match="no start"):
        Session(listener, START).follow(lambda: pytest.fail("it ran"))
    assert [step for step, _ in listener.told] == ["start", "finish"]


def test_tracker_that_fails_later_does_not_stop_the_run(caplog):
    listener = Listener(fails=("log", "finish"))
    session = Session(listener, START)

    def execute():
        session.report("surrogate", [{"epoch": 1.0}, {"epoch": 2.0}])
        return METRICS

    with caplog.at_level(logging.WARNING):
        assert session.follow(execute) == METRICS
    assert [step for step, _ in listener.told] == ["start", "log", "finish"]
    assert [record.getMessage() for record in caplog.records] == [
        f"Listener failed; the run goes on: no {step}" for step in ("log", "finish")
    ]
