"""Locks with a lease, between processes of one or more machines that share a folder."""

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from xcgraph.errors import UserError
from xcgraph.storage import locks
from xcgraph.storage.locks import HeldError, one_at_a_time

# Records when it enters and leaves. Another machine has another boot id. The process sleeps in short pieces:
# the system may deliver a signal after SIGCONT to the thread that renews the lease, but only the main thread
# raises KeyboardInterrupt, and only when it is awake.
HOLD = """
import signal, sys, time
from pathlib import Path
from xcgraph.storage import locks
signal.signal(signal.SIGINT, signal.default_int_handler)  # background jobs of a shell ignore it
lock, machine, seconds, lease = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3]), float(sys.argv[4])
locks.machine = lambda: machine
with locks.one_at_a_time(lock, lease=lease) as held:
    with open(lock.with_name("journal"), "a") as journal:
        print("enters", machine, file=journal, flush=True)
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            time.sleep(0.02)
        print("leaves", machine, file=journal, flush=True)
"""


def start(lock, machine, *, seconds, lease=600.0):
    return subprocess.Popen([sys.executable, "-c", HOLD, str(lock), machine, str(seconds), str(lease)])


def journal(folder):
    try:
        return (folder / "journal").read_text().split("\n")[:-1]
    except FileNotFoundError:
        return []


def wait_for(lock, process):
    while not journal(lock.parent):
        assert process.poll() is None
        time.sleep(0.01)


@pytest.fixture
def lock(tmp_path):
    return tmp_path / "thing.lock"


@pytest.fixture(autouse=True)
def polled_often(monkeypatch):
    monkeypatch.setattr(locks, "_POLL_SECONDS", 0.01)


def left(lock):
    return [path.name for path in lock.parent.iterdir() if path.name != "journal"]


def test_processes_of_two_machines_hold_the_lock_in_turn(lock):
    processes = [start(lock, f"machine-{number % 2}", seconds=0.05) for number in range(4)]
    assert [process.wait(60) for process in processes] == [0] * 4
    lines = [line.split() for line in journal(lock.parent)]
    assert [line[0] for line in lines] == ["enters", "leaves"] * 4
    assert all(enters[1] == leaves[1] for enters, leaves in zip(lines[::2], lines[1::2], strict=True))
    assert left(lock) == []


def test_lock_of_a_killed_local_process_is_free_at_once(lock):
    holder = start(lock, locks.machine(), seconds=60)
    wait_for(lock, holder)
    with pytest.raises(HeldError, match=f"process {holder.pid} on "), one_at_a_time(lock, wait=False):
        pass
    holder.send_signal(signal.SIGKILL)
    holder.wait(10)
    before = time.monotonic()
    with one_at_a_time(lock):
        assert time.monotonic() - before < 5
    assert left(lock) == []


def test_lock_of_a_killed_remote_process_is_free_after_its_lease(lock):
    holder = start(lock, "another", seconds=60)
    wait_for(lock, holder)
    holder.send_signal(signal.SIGKILL)
    holder.wait(10)
    with pytest.raises(HeldError), one_at_a_time(lock, wait=False):
        pass
    before = time.monotonic()
    with one_at_a_time(lock, lease=0.5):
        assert time.monotonic() - before > 0.5
    assert left(lock) == []


@pytest.mark.parametrize("lives", [False, True])
def test_silent_remote_holder_is_observed_for_a_lease_without_wait(lock, lives):
    """Otherwise no sweep would ever take over the cell of a machine that has stopped."""
    holder = start(lock, "another", seconds=60, lease=5.0)
    wait_for(lock, holder)
    if not lives:
        holder.send_signal(signal.SIGKILL)
        holder.wait(10)
    os.utime(lock, (1, 1))
    before = time.monotonic()
    outcome = pytest.raises(HeldError) if lives else contextlib.nullcontext()
    with outcome, one_at_a_time(lock, wait=False, lease=1.5):
        assert time.monotonic() - before > 1.5
    holder.kill()
    holder.wait(10)


def test_live_remote_holder_keeps_the_lock_beyond_a_lease(lock):
    holder = start(lock, "another", seconds=3, lease=0.5)
    wait_for(lock, holder)
    with one_at_a_time(lock, lease=1.0):
        assert journal(lock.parent)[-1] == "leaves another"
    assert holder.wait(10) == 0


def test_holder_that_lost_its_lease_does_not_remove_the_new_lock(lock):
    holder = start(lock, "another", seconds=60, lease=0.2)
    wait_for(lock, holder)
    holder.send_signal(signal.SIGSTOP)
    with one_at_a_time(lock, lease=0.5) as held:
        holder.send_signal(signal.SIGCONT)
        holder.send_signal(signal.SIGINT)  # it exits
        assert holder.wait(30) != 0
        held.check()
        assert lock.exists()
    assert left(lock) == []


def test_check_reports_a_lost_lock(lock):
    with one_at_a_time(lock) as held:
        held.check()
        lock.write_text(json.dumps({"token": "another's"}))
        with pytest.raises(UserError, match=r"taken over thing, .* repeat the command"):
            held.check()
    assert lock.exists()


@pytest.mark.parametrize("content", ["", "{", "[]"])
def test_empty_or_invalid_lock_is_taken_over(lock, content, monkeypatch):
    monkeypatch.setattr(locks, "_EMPTY_SECONDS", 0.1)
    lock.write_text(content)
    with one_at_a_time(lock):
        pass
    assert left(lock) == []


def test_old_claim_of_a_killed_process_is_removed(lock, monkeypatch):
    monkeypatch.setattr(locks, "LEASE_SECONDS", 1.0)
    lock.write_text(json.dumps({"token": "dead", "machine": locks.machine()}))
    claim = lock.with_name(f".{lock.name}.dead.claim")
    claim.touch()
    os.utime(claim, (1, 1))
    with one_at_a_time(lock):
        pass
    assert left(lock) == []


def test_draft_of_a_killed_process_is_removed(lock):
    lives, dead, other = (f".{lock.name}.{'1' * 32}", f".{lock.name}.{'2' * 32}", f".other.lock.{'3' * 32}")
    for name in (dead, other):
        lock.with_name(name).touch()
    with lock.with_name(lives).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with one_at_a_time(lock):
            pass
    assert sorted(left(lock)) == [other, lives]


def test_removed_draft_is_created_again(lock, monkeypatch):
    drafts, link = [], os.link

    def link_what_is_there(draft, target):
        drafts.append(draft)
        if len(drafts) == 1:
            draft.unlink()
        link(draft, target)

    monkeypatch.setattr(os, "link", link_what_is_there)
    with one_at_a_time(lock):
        assert len(drafts) == 2
    assert left(lock) == []


def no_links(*_):
    raise OSError(1, "Operation not permitted")


@pytest.mark.parametrize("links", [True, False])
def test_one_of_many_threads_holds_the_lock(lock, links, monkeypatch):
    """One thread at a time holds the lock, also on a file system without links."""
    if not links:
        monkeypatch.setattr(os, "link", no_links)
    inside, most = [], []

    def work():
        for _ in range(5):
            with one_at_a_time(lock):
                inside.append(1)
                most.append(len(inside))
                time.sleep(0.001)
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 20
    assert left(lock) == []
