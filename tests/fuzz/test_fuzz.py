"""A few fuzz inputs for each target, and tests that the runner detects bad readers."""

import pickle
import time
from pathlib import Path

import pytest

from xcgraph.errors import UserError

from . import runner as limits
from .__main__ import TARGETS
from .arrays import planted_pickle
from .runner import FailureError, Runner, Tally
from .target import Target

INPUTS = 25


@pytest.mark.parametrize("name", TARGETS)
def test_hostile_input_is_read_or_refused_with_user_error(name, tmp_path):
    runner, tally = Runner(tmp_path / "scratch", tmp_path / "failures"), Tally()

    runner.warm_up(TARGETS[name])
    for number in range(INPUTS):
        runner.run(TARGETS[name], 0, number, tally)

    assert not tally.kinds, [path.read_text() for path in tmp_path.rglob("error.txt")]
    assert tally.inputs == INPUTS


def make_bad_reader(how):
    def read(_folder, work):
        if how == "raises":
            raise ValueError("not a UserError")
        if how == "is slow":
            while True:
                pass
        if how == "waits":
            time.sleep(60)
        if how == "takes memory":
            bytearray(700 << 20)
        if how == "was out of memory":
            try:
                raise MemoryError
            except MemoryError as error:
                raise UserError("damaged") from error
        if how == "has a long message":
            raise UserError("x" * 5000)
        if how == "opens a pickle":
            pickle.loads(planted_pickle())
        if how == "leaves":
            raise SystemExit(0)
        assert Path.cwd() == work

    return read


@pytest.mark.parametrize(
    ("how", "found"),
    [
        ("raises", "ValueError at"),
        ("is slow", "TooSlowError at"),
        ("waits", "TooSlowError at"),
        ("takes memory", "memory: "),
        ("was out of memory", "MemoryError behind: damaged"),
        ("has a long message", "a message of 5000 characters"),
        ("opens a pickle", "a planted pickle was opened"),
        ("leaves", "SystemExit at"),
    ],
)
def test_bad_reader_is_detected_and_its_input_kept(how, found, tmp_path, monkeypatch):
    short = {"is slow": "SECONDS", "waits": "WAITING_SECONDS"}.get(how)
    if short is not None:
        monkeypatch.setattr(limits, short, 0.2)
    target = Target("bad", 1, lambda rng: {"a/b": rng.randbytes(3)}, make_bad_reader(how))
    runner, tally = Runner(tmp_path / "scratch", tmp_path / "failures"), Tally()

    runner.run(target, 7, 0, tally)

    assert tally.failed == 1
    kept = tmp_path / "failures" / "bad" / "7-0"
    assert (kept / "error.txt").read_text().startswith(found)
    assert len((kept / "a" / "b").read_bytes()) == 3
    if how != "takes memory":  # the peak of this process cannot be exceeded again
        with pytest.raises(FailureError):
            runner.attempt(target, kept)


def test_good_reader_is_counted_as_read(tmp_path):
    runner, tally = Runner(tmp_path / "scratch", tmp_path / "failures"), Tally()
    runner.run(Target("good", 1, lambda _: {}, make_bad_reader("")), 0, 0, tally)

    assert (tally.read, tally.refused, tally.failed) == (1, 0, 0)
