"""Opens the data sets that xcgraph-data takes: a folder of files, or a config of the group ``data``."""

from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from hydra import compose, initialize_config_module
from omegaconf import DictConfig

from xcgraph.data.datamodule import XCDataModule
from xcgraph.errors import UserError
from xcgraph.saved_runs.build import build_node

# This config reads any folder. The others describe one data set each.
_ANY_FOLDER = "xc_folder"
_ANY_TABLE = ("hf_dataset", "table")


def open_source(source: str, *, cache: Path, layout: str | None = None) -> XCDataModule:
    """Find a data set, without reading it.

    Args:
        source: a folder, or the name of a config of the group ``data``, in any spelling.
        cache: folder of files in a form that is read fast.
        layout: layout of the folder; None finds it by the names of its files.

    Raises:
        UserError: there is no such folder or name, or a name comes with a layout.
    """
    folder = Path(source)
    node = _compose(_ANY_FOLDER if folder.is_dir() else _config_name(source))
    if folder.is_dir():
        node.path = source
        node.name = folder.resolve().name
    if "cache" in node:
        node.cache = str(cache)
    if layout is not None:
        if "layout" not in node:
            raise UserError(f"{source} is not a folder of files: leave --layout out.")
        node.layout = layout
    data: XCDataModule = build_node(node)
    return data


def find_config(name: str) -> Mapping[str, Any]:
    """Return the content of a data set's config file.

    Args:
        name: name of the file or of the data set, in any spelling: ``lf_wordnet_8k`` or ``LF-WordNet-8K``.

    Raises:
        UserError: there is no data set of that name.
    """
    file = resources.files("xcgraph.conf").joinpath("data", f"{_config_name(name)}.yaml")
    config: Mapping[str, Any] = yaml.safe_load(file.read_text("utf-8"))
    return config


def _config_name(name: str) -> str:
    """Return the name of a data set in the spelling of its config file."""
    spelt = name.lower().replace("-", "_").replace(".", "_")
    entries = resources.files("xcgraph.conf").joinpath("data").iterdir()
    known = sorted(entry.name.removesuffix(".yaml") for entry in entries if entry.name.endswith(".yaml"))
    known = [each for each in known if each not in (_ANY_FOLDER, *_ANY_TABLE)]
    if spelt not in known:
        raise UserError(f"{name}: expected a folder or one of {', '.join(known)}; found neither.")
    return spelt


def _compose(name: str) -> DictConfig:
    with initialize_config_module("xcgraph.conf", version_base="1.3"):
        node: DictConfig = compose("train", [f"data={name}"]).data
    return node
