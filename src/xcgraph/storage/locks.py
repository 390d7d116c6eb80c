"""Locks between processes of one or more machines that share a folder: lock files with a lease."""

import contextlib
import fcntl
import glob
import json
import logging
import os
import platform
import socket
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from xcgraph.errors import UserError

_log = logging.getLogger(__name__)

# A holder touches its lock file to show that it is alive. Compiled loops block the interpreter, and thus the
# thread that touches the file, for minutes: the lease must be longer.
LEASE_SECONDS = 600.0
_TOUCHES_PER_LEASE = 10
_MISSED_TOUCHES = 2  # after this many, a holder is observed before it counts as alive
_POLL_SECONDS = 0.2
_EMPTY_SECONDS = 1.0


class HeldError(Exception):
    """Another process holds the lock."""


def machine() -> str:
    """Return an identifier of this machine, which changes when the machine restarts."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return platform.node()


@contextlib.contextmanager
def one_at_a_time(lock: Path, *, wait: bool = True, lease: float | None = None) -> Iterator["Lease"]:
    """Hold a lock that only one process can hold at a time, on one machine or on several.

    The lock is a file that is created atomically. On the machine of the holder, the operating system knows
    whether the holder is alive. On another machine, the holder counts as dead if nobody has touched its file
    for the length of a lease, by the clock of the waiting process. A dead holder's lock is taken over.

    Args:
        lock: the lock file. Its folder must exist, and its file system must link and rename atomically.
        wait: whether to wait for a holder that is alive. If a holder on another machine has been silent for
            some time, this function observes it in either case, until it touches its file or the lease ends.
        lease: length of the lease in seconds; ``LEASE_SECONDS`` if None.

    Raises:
        HeldError: another process holds the lock, and ``wait`` is false; the message names the process.
    """
    lease = LEASE_SECONDS if lease is None else lease
    held = _acquire(lock, wait, lease)
    renewal = threading.Thread(target=held.renew, args=(lease / _TOUCHES_PER_LEASE,), daemon=True)
    renewal.start()
    try:
        yield held
    finally:
        held.released.set()
        renewal.join()
        held.release()


@dataclass(frozen=True)
class Lease:
    """A lock that this process holds.

    Attributes:
        lock: the lock file.
        token: unique token of this holder.
        handle: handle of the open file, which has a system lock for processes of this machine.
        released: event that ends the renewal.
    """

    lock: Path
    token: str
    handle: int
    released: threading.Event = field(default_factory=threading.Event)

    def check(self) -> None:
        """Check that this process still holds the lock.

        Raises:
            UserError: another process has taken over the lock.
        """
        if _read(self.lock).get("token") != self.token:
            raise UserError(
                f"Another process has taken over {self.lock.stem}, because this one was silent for a whole "
                "lease; repeat the command to use the result of the other process."
            )

    def renew(self, every: float) -> None:
        """Touch the file until the release. After a takeover, the handle is of the old file."""
        while not self.released.wait(every):
            with contextlib.suppress(OSError):
                os.utime(self.handle)

    def release(self) -> None:
        """Remove the file, unless another process has taken it over."""
        with _claimed(self.lock, self.token) as claimed:
            if claimed:
                self.lock.unlink(missing_ok=True)
        os.close(self.handle)


def _acquire(lock: Path, wait: bool, lease: float) -> Lease:
    _remove_drafts(lock)
    seen: tuple[str, int] | None = None
    since, touches, logged = time.monotonic(), False, False
    while (held := _create(lock)) is None:
        holder, touched = _read(lock), _touched(lock)
        if touched == 0:  # the file no longer exists
            continue
        token = str(holder.get("token"))
        if (token, touched) != seen:
            touches = seen is not None
            seen, since = (token, touched), time.monotonic()
        locked = _is_locked(lock) if holder.get("machine") == machine() else None
        if not _is_alive(holder, locked, time.monotonic() - since, lease):
            with _claimed(lock, token) as claimed:
                held = _create(lock, replace=True) if claimed else None
            if held is not None:
                break
        elif holder:
            who = f"process {holder.get('process')} on {holder.get('host')}"
            recently = time.time() - touched / 1e9 < _MISSED_TOUCHES * lease / _TOUCHES_PER_LEASE
            if not wait and (locked or touches or recently):
                raise HeldError(who)
            if not logged:
                _log.info("Waiting for another process that builds %s: %s.", lock.stem, who)
                logged = True
        time.sleep(_POLL_SECONDS)
    return held


def _remove_drafts(lock: Path) -> None:
    """Remove the drafts of processes that were killed before they renamed their draft.

    This may also remove a draft that another process has opened but not locked; it then creates another one.
    """
    for draft in lock.parent.glob(f".{glob.escape(lock.name)}.{'[0-9a-f]' * 32}"):
        if _is_locked(draft) is False:
            draft.unlink(missing_ok=True)


def _is_alive(holder: Mapping[str, object], locked: bool | None, unchanged: float, lease: float) -> bool:
    """Return whether a holder is alive if its lock has been unchanged for this many seconds."""
    if not holder:  # the holder is about to write it, or has an older version
        return unchanged < _EMPTY_SECONDS
    return unchanged <= lease if locked is None else locked


def _create(lock: Path, *, replace: bool = False) -> Lease | None:
    """Create the lock file with a system lock; return None if it exists and ``replace`` is false."""
    token = uuid.uuid4().hex
    draft = lock.with_name(f".{lock.name}.{token}")
    content = {"token": token, "machine": machine(), "host": socket.gethostname(), "process": os.getpid()}
    with contextlib.ExitStack() as undone:
        handle = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL)
        undone.callback(os.close, handle)
        try:
            os.write(handle, json.dumps(content).encode())
            with contextlib.suppress(OSError):  # without system locks, only the lease decides
                fcntl.flock(handle, fcntl.LOCK_EX)  # waits only while another process checks the draft
            if replace or not _link(draft, lock):
                draft.replace(lock)
        except (FileExistsError, FileNotFoundError):
            return None
        finally:
            draft.unlink(missing_ok=True)
        undone.pop_all()
    return Lease(lock, token, handle)


def _link(draft: Path, lock: Path) -> bool:
    """Link the draft to the lock; on a file system without links, create the lock and return False."""
    try:
        os.link(draft, lock)
    except (FileExistsError, FileNotFoundError):
        raise
    except OSError:
        os.close(os.open(lock, os.O_CREAT | os.O_EXCL))
        return False
    return True


@contextlib.contextmanager
def _claimed(lock: Path, token: str) -> Iterator[bool]:
    """Claim the right to remove or replace a holder's lock; only one process has it at a time."""
    claim = lock.with_name(f".{lock.name}.{token}.claim")
    try:
        os.close(os.open(claim, os.O_CREAT | os.O_EXCL))
    except FileNotFoundError:  # the folder no longer exists
        yield False
        return
    except FileExistsError:
        if time.time() - _touched(claim) / 1e9 > LEASE_SECONDS:  # a killed process has left it
            claim.unlink(missing_ok=True)
        yield False
        return
    try:
        yield str(_read(lock).get("token")) == token
    finally:
        claim.unlink(missing_ok=True)


def _is_locked(lock: Path) -> bool | None:
    """Return whether a process of this machine has locked the file; None if the system cannot say."""
    try:
        handle = os.open(lock, os.O_RDONLY)
    except FileNotFoundError:
        return True  # it no longer exists, so there is nothing to take over
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return None
    finally:
        os.close(handle)
    return False


def _touched(lock: Path) -> int:
    try:
        return lock.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def _read(lock: Path) -> dict[str, object]:
    """Return the holder's description of itself; empty if there is no valid one."""
    try:
        found = json.loads(lock.read_text("utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
