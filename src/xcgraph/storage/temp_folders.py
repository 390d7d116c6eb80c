"""Temporary folders that disappear with the process that uses them, even if it is killed."""

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def temp_folder(purpose: str) -> Iterator[Path]:
    """Create a temporary folder and remove it at the end; also remove the folders of killed processes.

    Args:
        purpose: part of the folder's name; only folders of the same purpose are removed.
    """
    prefix = f"xcgraph-{purpose}-"
    for other in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        _remove_if_free(other)
    folder, handle = _make_and_hold(prefix)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(handle)


def _remove_if_free(folder: Path) -> None:
    with contextlib.suppress(OSError):  # it belongs to another user, is in use, or no longer exists
        handle = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder)
        finally:
            os.close(handle)


def _make_and_hold(prefix: str) -> tuple[Path, int]:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=prefix))
        with contextlib.suppress(FileNotFoundError):  # another process may remove it before it is locked
            handle = os.open(folder, os.O_RDONLY)
            fcntl.flock(handle, fcntl.LOCK_EX)
            if folder.exists():
                return folder, handle
            os.close(handle)
