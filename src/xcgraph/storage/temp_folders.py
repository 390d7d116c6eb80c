"""Folders that are gone with the process that holds them."""

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def temp_folder(purpose: str) -> Iterator[Path]:
    """Give a folder for what nobody needs afterwards; those of processes that were killed are removed first.

    Args:
        purpose: part of its name.
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
    with contextlib.suppress(OSError):  # another user's, or held, or gone by now
        handle = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder)
        finally:
            os.close(handle)


def _make_and_hold(prefix: str) -> tuple[Path, int]:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=prefix))
        with contextlib.suppress(FileNotFoundError):  # another has taken it for one that was left
            handle = os.open(folder, os.O_RDONLY)
            fcntl.flock(handle, fcntl.LOCK_EX)
            if folder.exists():
                return folder, handle
            os.close(handle)
