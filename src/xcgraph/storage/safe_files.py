"""Open untrusted files safely: regular files only, with bounded reads."""

import errno
import json
import os
import stat
from io import BufferedReader
from pathlib import Path
from typing import Any


def open_regular(path: Path) -> BufferedReader:
    """Open a regular file to read its bytes; reading a pipe or a device might never end.

    Raises:
        OSError: the file does not exist, or is not a regular file.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if stat.S_ISREG(os.fstat(handle).st_mode):
        return os.fdopen(handle, "rb")
    os.close(handle)
    raise OSError(errno.EINVAL, "Not a regular file", str(path))


def read_json(path: Path) -> Any:  # noqa: ANN401 - any JSON
    """Read a JSON document.

    Raises:
        OSError: the file cannot be read.
        ValueError: the file is not JSON in UTF-8, or is nested too deeply.
    """
    with open_regular(path) as file:
        text = file.read().decode("utf-8")
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError(f"{path.name}: brackets are nested too deeply") from error


def inside(folder: Path, name: str) -> Path:
    """Return the path of a file in a folder, for a name from an untrusted list of its files.

    Raises:
        ValueError: the path would be outside the folder.
    """
    if Path(name).name != name or name in ("", ".."):
        raise ValueError(f"{name!r} is not a file name")
    return folder / name
