"""Decides whether the results in a run folder count: they are of this config, this code and these data."""

import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf

from xcgraph.cli.places import has_places
from xcgraph.cli.sweep import result_key
from xcgraph.code_digest import code_digest
from xcgraph.data.datamodule import XCDataModule
from xcgraph.data.xc_data import XCData
from xcgraph.runs.folder import RESULTS_ELSEWHERE, SUPERSEDED
from xcgraph.tracking.session import Metrics

# The move of old results ends with the removal of this ending, so a killed one is recognized.
_UNFINISHED = ".partial"


@dataclass(frozen=True, kw_only=True)
class Results:
    """What was found for a run.

    Attributes:
        folder: the folder that was looked at, or the folder of the same results on the same data elsewhere.
        metrics: metrics by split; None if there are no results that count.
        refusal: why the results in the folder do not count, as a part of a sentence; empty without results.
        is_other_config: whether they are of another config.
    """

    folder: Path
    metrics: Metrics | None = None
    refusal: str = ""
    is_other_config: bool = False


def find_results(folder: Path, config: DictConfig, read: Callable[[], XCData]) -> Results:
    """Find the results of a config in its folder, or in the folder of a cell whose data lie elsewhere.

    Results count if the config without the places of data files, the digest of the code, and the fingerprint
    of the data are equal. The data are read only if all else is equal.

    Args:
        folder: the run folder.
        config: the composed config.
        read: reads the data.
    """
    found = _look_into(folder, config, read)
    if found.metrics is not None or found.is_other_config or not _has_places(config):
        return found
    for other in _cells_beside(folder, config):
        twin = _look_into(other, config, read)
        if twin.metrics is not None:
            return twin
    return found


def _look_into(folder: Path, config: DictConfig, read: Callable[[], XCData]) -> Results:
    if not (folder / "metrics.json").exists():
        return Results(folder=folder)
    try:
        metrics = json.loads((folder / "metrics.json").read_text("utf-8"))
        before = OmegaConf.load(folder / "config.yaml")
        facts = json.loads((folder / "run.json").read_text("utf-8"))
        fingerprint, code = facts["data"]["fingerprint"], facts.get("code")
        splits = {split: metrics[split] for split in ("validation", "test")}
    except FileNotFoundError as error:
        return Results(folder=folder, refusal=f"damaged, without {Path(error.filename).name}")
    except (AttributeError, KeyError, TypeError, ValueError, yaml.YAMLError):
        return Results(folder=folder, refusal="damaged")
    if not isinstance(before, DictConfig) or result_key(before) != result_key(config):
        return Results(folder=folder, refusal="of another config", is_other_config=True)
    if code != code_digest():
        return Results(folder=folder, refusal=f"of other code (digest {code}, now {code_digest()})")
    data = read()
    if fingerprint != data.fingerprint:
        return Results(
            folder=folder,
            refusal=f"of other data ({data.name}: fingerprint {fingerprint}, now {data.fingerprint})",
        )
    return Results(folder=folder, metrics=splits)


def _has_places(config: DictConfig) -> bool:
    return has_places(OmegaConf.to_container(config.data, resolve=True))


def _cells_beside(folder: Path, config: DictConfig) -> Iterator[Path]:
    """Yield the cells of the same sweep folder that have results of this seed and code."""
    if not folder.parent.is_dir():
        return
    for other in sorted(folder.parent.iterdir()):
        if other == folder or not (other / "metrics.json").exists():
            continue
        try:
            facts = json.loads((other / "run.json").read_text("utf-8"))
            is_candidate = facts["seed"] == config.seed and facts["code"] == code_digest()
        except (KeyError, OSError, TypeError, ValueError):
            continue
        if is_candidate:
            yield other


def move_old_results(folder: Path) -> None:
    """Move the results of a run folder into ``superseded/TIME``, so that a new run overwrites nothing.

    The file metrics.json goes first: without it, a run folder has no results. If the process is killed, the
    next call goes on with the same target. Hydra's output, locks and logs of the current process stay.
    """
    target = _unfinished_move(folder)
    if target is None:
        if not (folder / "metrics.json").exists():
            return
        target = _new_target(folder)
        target.mkdir(parents=True)
    for path in _results(folder):
        path.replace(target / path.name)
    target.replace(target.with_suffix(""))


def _unfinished_move(folder: Path) -> Path | None:
    return next((folder / SUPERSEDED).glob(f"*{_UNFINISHED}"), None)


def _new_target(folder: Path) -> Path:
    stem = time.strftime("%Y-%m-%d_%H-%M-%S")
    names = (stem, *(f"{stem}-{number}" for number in range(2, 1000)))
    old = folder / SUPERSEDED
    return next(old / f"{name}{_UNFINISHED}" for name in names if not (old / name).exists())


def _results(folder: Path) -> list[Path]:
    stays = {SUPERSEDED, RESULTS_ELSEWHERE, "error.txt"}
    found = [
        path
        for path in folder.iterdir()
        if path.name not in stays and not path.name.startswith(".") and path.suffix not in (".lock", ".log")
    ]
    return sorted(found, key=lambda path: (path.name != "metrics.json", path.name))


def note_results_elsewhere(folder: Path, other: Path) -> None:
    """Note in a cell's folder that another cell has its results, because their data are the same."""
    (folder / RESULTS_ELSEWHERE).write_text(f"{os.path.relpath(other, folder)}\n", "utf-8")


def forget_results_elsewhere(folder: Path) -> None:
    """Remove that note, before the cell runs itself."""
    (folder / RESULTS_ELSEWHERE).unlink(missing_ok=True)


class _LastRead:
    """The data set that this process has read last."""

    def __init__(self) -> None:
        self.node: Any = None
        self.module: XCDataModule | None = None


_last = _LastRead()


def share_data(node: DictConfig, module: XCDataModule) -> XCDataModule:
    """Return a data module that has the data of the last one, if both are built from equal config nodes.

    The cells of a sweep thus read their data once in a process. Only one data set is kept.
    """
    content = OmegaConf.to_container(node, resolve=True)
    before = _last.module if _last.node == content else None
    if before is not None and "data" in vars(before):
        module.data = before.data
    _last.node, _last.module = content, module
    return module


def forget_data() -> None:
    """Free the data that :func:`share_data` keeps."""
    _last.node, _last.module = None, None
