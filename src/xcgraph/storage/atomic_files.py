"""Files that are whole or absent."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


@contextlib.contextmanager
def atomic_write(path: Path) -> Iterator[BinaryIO]:
    """Open a draft beside a file; it takes the file's name when all of it is on the disk.

    A reader finds the old file or the new one, never half of it. A draft that fails is removed; one of a
    process that was killed stays until :func:`remove_drafts`.

    Raises:
        OSError: it cannot be written; it names the file.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with publish(path), draft.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        with contextlib.suppress(OSError):  # else a disk that is read-only would be said twice
            draft.unlink()


@contextlib.contextmanager
def publish(path: Path) -> Iterator[None]:
    """Let an OSError of writing, which names no file, name this one."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno is not None:
            error.filename = str(path)
        raise


def remove_drafts(folder: Path) -> None:
    """Remove the drafts in a folder that processes which were killed have left."""
    for draft in folder.glob(".*.*"):
        process = draft.suffix.removeprefix(".")
        if process.isdecimal() and not _is_running(int(process)):
            draft.unlink(missing_ok=True)


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):  # somebody else's; or no process at all
        return True
    return True
