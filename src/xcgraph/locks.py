"""Locks between processes, as files."""

import contextlib
import fcntl
import logging
import os
from collections.abc import Iterator
from pathlib import Path

_log = logging.getLogger(__name__)


@contextlib.contextmanager
def one_at_a_time(lock: Path) -> Iterator[None]:
    """Wait until no other process holds the lock; the system releases that of a process which was killed."""
    handle = _hold(lock)
    try:
        yield
    finally:
        lock.unlink()
        os.close(handle)


def _hold(lock: Path) -> int:
    while True:
        handle = os.open(lock, os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _log.info("Waiting for another process that builds %s.", lock.stem)
            fcntl.flock(handle, fcntl.LOCK_EX)
        # The file that was waited for is gone once its holder is done; another may have made it anew.
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(handle), lock.stat()):
                return handle
        os.close(handle)
