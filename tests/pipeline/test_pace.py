import pickle

import pytest

from xcgraph.pipeline.pace import Pace, in_words


class Clock:
    """Stands still until it is told to go on."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def run(pace, clock, stage, epochs, seconds, *, start=0):
    """Train a stage at so many seconds per epoch."""
    pace.advance(stage, float(start))
    for epoch in range(start, epochs):
        clock.now += seconds
        pace.advance(stage, epoch + 1.0)


def test_nothing_is_estimated_before_there_is_an_epoch(clock):
    pace = Pace({"surrogate": 2}, clock)
    assert pace.seconds_left() is None
    pace.advance("surrogate", 0.0)
    assert pace.seconds_left() is None
    assert Pace({}, clock).seconds_left() is None


def test_stages_to_come_take_the_mean_and_those_of_a_kind_that_of_their_kind(clock):
    pace = Pace({"surrogate": 2, "tree-0-ranker": 3, "tree-1-ranker": 3}, clock)
    run(pace, clock, "surrogate", 2, 10.0)
    assert pace.seconds_left() == 60.0
    pace.finish("surrogate")
    run(pace, clock, "tree-0-ranker", 2, 1.0)
    assert pace.seconds_left() == 1.0 + 3.0
    pace.finish("tree-0-ranker")
    assert pace.seconds_left() == 3.0


def test_time_aside_of_epochs_is_expected_before_each_stage_to_come(clock):
    pace = Pace({"tree-0-ranker": 2, "tree-1-ranker": 2, "tree-2-ranker": 2}, clock)
    clock.now += 7
    run(pace, clock, "tree-0-ranker", 2, 1.0)
    assert pace.seconds_left() == 2 * (2.0 + 7.0)


def test_steps_count_as_parts_of_epochs(clock):
    pace = Pace({"surrogate": 4}, clock)
    pace.advance("surrogate", 0.0)
    clock.now += 1
    pace.advance("surrogate", 0.25)
    assert pace.seconds_left() == 15.0


def test_epochs_before_a_resume_and_stages_of_earlier_runs_take_no_time(clock):
    pace = Pace({"surrogate": 3, "tree-0-ranker": 5, "tree-1-ranker": 4}, clock)
    pace.finish("surrogate")
    run(pace, clock, "tree-0-ranker", 4, 2.0, start=3)
    assert pace.seconds_left() == 2.0 + 4 * 2.0


def test_it_can_be_sent_to_another_process():
    assert pickle.loads(pickle.dumps(Pace({"surrogate": 2}))).seconds_left() is None


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0 s"), (89.0, "89 s"), (95.0, "2 min"), (5399.0, "90 min"), (9000.0, "2.5 h")],
)
def test_times_are_rounded_for_people(seconds, words):
    assert in_words(seconds) == words
