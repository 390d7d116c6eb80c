"""Paths that a person types: expanded, made absolute, and checked before anything is written there."""

import errno
import os
import tempfile
from pathlib import Path

from xcgraph.errors import UserError


def expand_home(text: str | Path) -> Path:
    """Replace ``~`` at the start of a path by the home folder.

    Raises:
        UserError: there is no home folder of that user.
    """
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise UserError(
            f"{text}: there is no home folder for {Path(text).parts[0]}; write it out."
        ) from error


def user_path(text: str | Path) -> Path:
    """Return a path that a person has typed as an absolute path, with the home folder for ``~``.

    Raises:
        UserError: there is no home folder of that user.
    """
    return Path(os.path.abspath(expand_home(text)))  # noqa: PTH100 - Path.absolute keeps ".."


def output_folder(text: str | Path, key: str) -> Path:
    """Return a folder for output as an absolute path, and check that files can be written there.

    Nothing is created. If the folder does not exist, the nearest existing folder above it is checked.

    Args:
        text: the folder as a person has typed it.
        key: the setting or option that names it, for the message.

    Raises:
        UserError: the folder cannot be written.
        OSError: the disk is full.
    """
    folder = user_path(text)
    nearest = folder
    while not os.path.lexists(nearest):
        nearest = nearest.parent
    remedy = "choose a folder that you can write to"
    if not nearest.is_dir():
        raise UserError(f"{key}={text}: {nearest} is not a folder; {remedy}.")
    try:
        tempfile.TemporaryFile(dir=nearest).close()  # It has no name, so a kill leaves nothing.
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise UserError(f"{key}={text}: cannot write in {nearest} ({error.strerror}); {remedy}.") from error
    return folder
