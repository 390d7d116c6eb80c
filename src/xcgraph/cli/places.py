"""The paths in a config: made absolute in one place, and told apart from what the results depend on."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict

from xcgraph.storage.user_paths import expand_home, output_folder, user_path

# These keys of a data set name files. Its fingerprint covers their content.
_CACHE = "cache"
_PLACES = frozenset((_CACHE, "archive", "label_texts", "path"))
# The other folders are in the first one, unless the user has named them.
_PATHS = ("root", "run", "artifacts", "converted", "data")
# In a table this is a file, a share, or column:NAME.
_SOMETIMES = "test"
_COLUMN = "column:"


def absolute_places(data: Any) -> Any:  # noqa: ANN401 - any part of a config, without interpolations
    """Return a ``data`` node with absolute paths and without its cache: it means the same in every folder.

    A path that does not exist stays as it is, because ``data.path`` can be a name on the Hugging Face hub.
    """
    if not isinstance(data, Mapping):
        return data
    return {
        key: _absolute(value) if _is_place(key, value) else absolute_places(value)
        for key, value in data.items()
        if key != _CACHE
    }


def without_places(data: Any) -> Any:  # noqa: ANN401 - any part of a config, without interpolations
    """Return a ``data`` node without the keys that only say where files lie."""
    if not isinstance(data, Mapping):
        return data
    return {key: without_places(value) for key, value in data.items() if not _is_place(key, value)}


def has_places(data: Any) -> bool:  # noqa: ANN401 - any part of a config, without interpolations
    """Return whether a ``data`` node names files of the user, beside its cache."""
    if not isinstance(data, Mapping):
        return False
    return any(
        (key != _CACHE and value is not None and _is_place(key, value)) or has_places(value)
        for key, value in data.items()
    )


def settle_paths(config: DictConfig, written: Collection[str]) -> DictConfig:
    """Return a copy of a composed config whose paths are absolute.

    Args:
        config: the composed config.
        written: the keys of ``paths`` that name folders for output.

    Raises:
        UserError: a folder for output cannot be written.
    """
    settled = config.copy()
    with open_dict(settled):
        for key in _PATHS:
            typed, name = settled.paths[key], f"paths.{key}"
            settled.paths[key] = str(output_folder(typed, name) if key in written else user_path(typed))
        _settle(settled.data)
    return settled


def _settle(node: DictConfig) -> None:
    for key in node:
        if OmegaConf.is_missing(node, key):
            continue
        value = node[key]
        if OmegaConf.is_dict(value):
            _settle(value)
        elif _is_place(str(key), value) and (found := _absolute(value)) != value:
            node[key] = found


def _is_place(key: str, value: Any) -> bool:  # noqa: ANN401 - any value of a config
    if key == _SOMETIMES:
        return isinstance(value, str) and not value.startswith(_COLUMN)
    return key in _PLACES


def _absolute(value: Any) -> Any:  # noqa: ANN401 - a path, or null
    if not isinstance(value, str) or value == "???":
        return value
    is_path = value.startswith("~") or Path(expand_home(value)).exists()
    return str(user_path(value)) if is_path else value
