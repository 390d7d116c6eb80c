"""Locks between processes, also of several machines that share a folder: files with a lease."""

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

# A holder shows that it lives by touching its lock. Compiled loops keep the interpreter, and so the thread
# that does it, busy for minutes: the lease must be longer than these.
LEASE_SECONDS = 600.0
_TOUCHES_PER_LEASE = 10
_MISSED_TOUCHES = 2  # after so many, a holder is watched before it is said to live
_POLL_SECONDS = 0.2
_EMPTY_SECONDS = 1.0


class HeldError(Exception):
    """Another process holds the lock."""


def machine() -> str:
    """Tell this machine, up to its next start, from others that share a folder with it."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return platform.node()


@contextlib.contextmanager
def one_at_a_time(lock: Path, *, wait: bool = True, lease: float | None = None) -> Iterator["Lease"]:
    """Hold a lock, which no two processes do at a time, on one machine or on several.

    The lock is a file that appears whole or not at all. On the holder's machine the system knows whether it
    lives; on another it is taken for dead if its file was not touched for the length of a lease, by the clock
    of the one that waits. A lock of a dead holder is taken over.

    Args:
        lock: the file; its folder must exist, on a file system that links files and renames them atomically.
        wait: whether to wait for a holder that lives; one of another machine that has given no sign of life
            for some time is watched in any case, until it gives one or the lease is over.
        lease: seconds; ``LEASE_SECONDS`` if None.

    Raises:
        HeldError: another that lives holds it and ``wait`` is false; the message says who.
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
        lock: the file.
        token: of this holder alone.
        handle: the open file, locked for the processes of this machine.
        released: ends its renewal.
    """

    lock: Path
    token: str
    handle: int
    released: threading.Event = field(default_factory=threading.Event)

    def check(self) -> None:
        """Make sure that the lock is still held.

        Raises:
            UserError: another has taken it over.
        """
        if _read(self.lock).get("token") != self.token:
            raise UserError(
                f"Another process has taken over {self.lock.stem}, for this one gave no sign of life for a "
                "whole lease: give the same command again to take what the other makes."
            )

    def renew(self, every: float) -> None:
        """Touch the file until it is released; one that was taken over is another file by then."""
        while not self.released.wait(every):
            with contextlib.suppress(OSError):
                os.utime(self.handle)

    def release(self) -> None:
        """Remove the file, unless another has taken it over."""
        with _claimed(self.lock, self.token) as claimed:
            if claimed:
                self.lock.unlink(missing_ok=True)
        os.close(self.handle)


def _acquire(lock: Path, wait: bool, lease: float) -> Lease:
    _remove_drafts(lock)
    seen: tuple[str, int] | None = None
    since, moves, told = time.monotonic(), False, False
    while (held := _create(lock)) is None:
        holder, touched = _read(lock), _touched(lock)
        if touched == 0:  # it is gone
            continue
        token = str(holder.get("token"))
        if (token, touched) != seen:
            moves = seen is not None
            seen, since = (token, touched), time.monotonic()
        locked = _is_locked(lock) if holder.get("machine") == machine() else None
        if not _lives(holder, locked, time.monotonic() - since, lease):
            with _claimed(lock, token) as claimed:
                held = _create(lock, replace=True) if claimed else None
            if held is not None:
                break
        elif holder:
            who = f"process {holder.get('process')} on {holder.get('host')}"
            lately = time.time() - touched / 1e9 < _MISSED_TOUCHES * lease / _TOUCHES_PER_LEASE
            if not wait and (locked or moves or lately):
                raise HeldError(who)
            if not told:
                _log.info("Waiting for another process that builds %s: %s.", lock.stem, who)
                told = True
        time.sleep(_POLL_SECONDS)
    return held


def _remove_drafts(lock: Path) -> None:
    """Remove the drafts of processes that were killed before their lock had its name.

    One that another process has just opened, and not locked yet, may go with them: it makes another.
    """
    for draft in lock.parent.glob(f".{glob.escape(lock.name)}.{'[0-9a-f]' * 32}"):
        if _is_locked(draft) is False:
            draft.unlink(missing_ok=True)


def _lives(holder: Mapping[str, object], locked: bool | None, unchanged: float, lease: float) -> bool:
    """Say whether a holder lives, whose lock has been as it is for so many seconds."""
    if not holder:  # about to be written, or of an older version
        return unchanged < _EMPTY_SECONDS
    return unchanged <= lease if locked is None else locked


def _create(lock: Path, *, replace: bool = False) -> Lease | None:
    """Make the file, unless it is there and not to be replaced; the system locks it before others see it."""
    token = uuid.uuid4().hex
    draft = lock.with_name(f".{lock.name}.{token}")
    content = {"token": token, "machine": machine(), "host": socket.gethostname(), "process": os.getpid()}
    with contextlib.ExitStack() as undone:
        handle = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL)
        undone.callback(os.close, handle)
        try:
            os.write(handle, json.dumps(content).encode())
            with contextlib.suppress(OSError):  # a file system without: the lease decides alone
                fcntl.flock(handle, fcntl.LOCK_EX)  # at most until another has asked whether it is locked
            if replace or not _link(draft, lock):
                draft.replace(lock)
        except (FileExistsError, FileNotFoundError):
            return None
        finally:
            draft.unlink(missing_ok=True)
        undone.pop_all()
    return Lease(lock, token, handle)


def _link(draft: Path, lock: Path) -> bool:
    """Let the file appear whole; on a file system without links, take its name and return False."""
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
    """Claim the right to remove or replace the lock of one holder, which only one process gets at a time."""
    claim = lock.with_name(f".{lock.name}.{token}.claim")
    try:
        os.close(os.open(claim, os.O_CREAT | os.O_EXCL))
    except FileNotFoundError:  # the folder is gone
        yield False
        return
    except FileExistsError:
        if time.time() - _touched(claim) / 1e9 > LEASE_SECONDS:  # of one that was killed at this very moment
            claim.unlink(missing_ok=True)
        yield False
        return
    try:
        yield str(_read(lock).get("token")) == token
    finally:
        claim.unlink(missing_ok=True)


def _is_locked(lock: Path) -> bool | None:
    """Ask the system whether a process of this machine has the file locked; None if it cannot tell."""
    try:
        handle = os.open(lock, os.O_RDONLY)
    except FileNotFoundError:
        return True  # it is gone, and nobody's to take over
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
    """Return what the holder says of itself; nothing if there is none."""
    try:
        found = json.loads(lock.read_text("utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
