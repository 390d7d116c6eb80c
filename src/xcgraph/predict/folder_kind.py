"""Describes a path that holds neither a model nor a run, so that an error can say what was found there."""

import os
from pathlib import Path

# xcgraph-train writes at least one of these when a run starts.
_RUN_FILES = ("config.yaml", "metrics.json", "run.json", ".hydra")
_DATA_FILES = ("trn_X.txt", "trn_X_Y.txt", "trn_X_Xf.txt", "trn.json", "trn.json.gz", "train.txt")
_MODEL_FILES = ("weights.safetensors", "label_names.json")
_MAX_FOLDERS_SEARCHED = 1000
_MAX_NAMES = 3


def describe_path(path: Path) -> str | None:
    """Return what is at a path that is no model folder; None for a run folder, finished or not.

    The description says, where it can, which path to give instead.
    """
    if path.is_file():
        return f"a file; give its folder, {path.parent}" if path.name == "model.json" else "a file"
    if not path.is_dir():
        return "nothing at this path"
    try:
        names = sorted(entry.name for entry in path.iterdir())
    except OSError as error:
        return f"a folder that cannot be read ({error.strerror})"
    if any(name in names for name in _RUN_FILES):
        return None
    if not names:
        return "an empty folder"
    if all(name in names for name in _MODEL_FILES):
        return "a model folder without its model.json; export the model again"
    if data := [name for name in _DATA_FILES if name in names]:
        return f"a dataset folder (it has {data[0]}); train a model on it with xcgraph-train first"
    if (inner := _find_inside(path)) is not None:
        return f"a folder that contains models or runs; give one of them, such as {inner}"
    more = f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
    return f"a folder with {', '.join(names[:_MAX_NAMES])}{more}"


def _find_inside(path: Path) -> Path | None:
    """Return the first model folder or finished run below a folder, among the first folders searched."""
    for searched, (folder, names, files) in enumerate(os.walk(path)):
        if searched > _MAX_FOLDERS_SEARCHED:
            break
        if "model.json" in files or "metrics.json" in files:
            return Path(folder)
        names[:] = sorted(name for name in names if not name.startswith("."))
    return None
