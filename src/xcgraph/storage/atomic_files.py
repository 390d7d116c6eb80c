"""Write files atomically: a file is complete or absent."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


@contextlib.contextmanager
def atomic_write(path: Path) -> Iterator[BinaryIO]:
    """Open a draft in the folder of a file, and rename it to the file when all of it is on the disk.

    A reader finds the old file or the new one, never a part. A draft is removed after an error; the draft of
    a killed process stays until :func:`remove_drafts`.

    Raises:
        OSError: the file cannot be written; the error names the file.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with publish(path), draft.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        with contextlib.suppress(OSError):  # a read-only disk raises a second error here
            draft.unlink()


@contextlib.contextmanager
def publish(path: Path) -> Iterator[None]:
    """Add the file name to an OSError without one, such as a write error."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno is not None:
            error.filename = str(path)
        raise


def remove_drafts(folder: Path) -> None:
    """Remove the drafts of killed processes from a folder."""
    for draft in folder.glob(".*.*"):
        process = draft.suffix.removeprefix(".")
        if process.isdecimal() and not _is_running(int(process)):
            draft.unlink(missing_ok=True)


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):  # a process of another user, or a number too large for a process
        return True
    return True
