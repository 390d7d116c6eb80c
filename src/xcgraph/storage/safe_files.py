"""Files that may come from anybody: opened only if they are files, read only as far as they go."""

import errno
import json
import os
import stat
from io import BufferedReader
from pathlib import Path
from typing import Any


def open_regular(path: Path) -> BufferedReader:
    """Open a file for reading its bytes; a pipe or a device would never end.

    Raises:
        OSError: there is none, or it is something else.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if stat.S_ISREG(os.fstat(handle).st_mode):
        return os.fdopen(handle, "rb")
    os.close(handle)
    raise OSError(errno.EINVAL, "Not a regular file", str(path))


def read_json(path: Path) -> Any:  # noqa: ANN401 - whatever the file says
    """Read a JSON document.

    Raises:
        OSError: there is no such file.
        ValueError: it is no JSON in UTF-8, or nested too deeply.
    """
    with open_regular(path) as file:
        text = file.read().decode("utf-8")
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError(f"{path.name}: brackets are nested too deeply") from error


def inside(folder: Path, name: str) -> Path:
    """Return the path of a file in a folder, as a list of its files names it.

    Raises:
        ValueError: it would lie elsewhere.
    """
    if Path(name).name != name or name in ("", ".."):
        raise ValueError(f"{name!r} is no name of a file")
    return folder / name
