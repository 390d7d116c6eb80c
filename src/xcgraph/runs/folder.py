"""Find and read run folders, and give a reason for each unfinished or damaged one."""

import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from numpy.typing import NDArray
from scipy.sparse import csr_array

from xcgraph.errors import UserError
from xcgraph.storage.npz import load_arrays, load_csr
from xcgraph.storage.safe_files import open_regular, read_json

Loaded = TypeVar("Loaded")

_NEEDED = {"data": ("name", "propensity_a", "propensity_b"), "validation": ("fraction", "seed")}
# A run folder contains one of these from the start of the run.
_MARKS = ("config.yaml", "metrics.json", "run.json", ".hydra")
# Results that newer ones have replaced are in this folder of the run folder.
SUPERSEDED = "superseded"
# A cell of a sweep has this file if another cell, on the same data at another path, has its results.
RESULTS_ELSEWHERE = "results_elsewhere.txt"
_OLD_LABELS = "truth"  # name of data.labels in run.json of older versions
_LONGEST_CONFIG = 1 << 17
_MAX_BRACKETS = 1000  # each step of the YAML scanner checks all open brackets


@dataclass(frozen=True, kw_only=True)
class ViewWeights:
    """The weights of the views of some labels in the labels' vectors.

    Attributes:
        views: names of the views, such as ``text`` and ``graph``.
        shares: (labels, views) weights; a row sums to 1.
    """

    views: tuple[str, ...]
    shares: Sequence[Sequence[float]]


@dataclass(frozen=True, kw_only=True)
class RunFolder:
    """A finished run.

    Attributes:
        path: the run folder.
        config: the resolved config.
        metrics: metrics as fractions, by split (``validation``, ``test``) and name; a split may be empty.
        facts: content of ``run.json``: data, seed, seconds, memory, versions.
    """

    path: Path
    config: Mapping[str, Any]
    metrics: Mapping[str, Mapping[str, float]]
    facts: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The name of the experiment."""
        return str(self.config["name"])

    @property
    def seed(self) -> int:
        """The random seed for the whole run."""
        return int(self.config["seed"])

    @property
    def split(self) -> str:
        """The split to report: test, or validation if the dataset has no test points."""
        return "test" if self.metrics["test"] else "validation"

    @property
    def labels_fingerprint(self) -> str:
        """Fingerprint of the labels; runs with equal fingerprints can be compared."""
        data = self.facts["data"]
        return str(data["labels"] if "labels" in data else data[_OLD_LABELS])

    @property
    def stages(self) -> tuple[str, ...]:
        """The names of the stages in the run folder, in alphabetical order."""
        folder = self.path / "stages"
        return tuple(sorted(entry.name for entry in folder.iterdir())) if folder.is_dir() else ()

    def predictions(self) -> csr_array:
        """Return the (points, labels) scores of the test points."""
        return load_csr(self.path / "predictions.npz")

    def matrix(self, stage: str) -> csr_array | None:
        """Return the sparse matrix of a stage, or None."""
        return _load_if_there(self.path / "stages" / stage / "matrix.npz", load_csr)

    def arrays(self, stage: str) -> dict[str, NDArray] | None:
        """Return the arrays of a stage, or None."""
        return _load_if_there(self.path / "stages" / stage / "arrays.npz", load_arrays)


@dataclass(frozen=True)
class LeftOut:
    """A folder that averages leave out, and the reason."""

    path: Path
    reason: str


def find_runs(places: Iterable[Path]) -> tuple[list[RunFolder], list[LeftOut]]:
    """Read all run folders at or below some folders, sorted by path.

    Returns:
        The finished runs, and the unfinished or damaged ones with a reason.

    Raises:
        UserError: a folder does not exist, or there is no run folder at all.
    """
    places = list(places)
    for place in places:
        if not place.is_dir():
            raise UserError(f"{place}: expected a run folder or a folder of run folders, found nothing.")
    folders = {folder.resolve(): folder for place in places for folder in _walk(place)}
    if not folders:
        raise UserError(
            f"Expected run folders of xcgraph-train in {', '.join(map(str, places))}, found none; "
            "a finished run folder contains metrics.json."
        )
    outcomes = [read_run(folder) for folder in sorted(folders.values())]
    runs = [outcome for outcome in outcomes if isinstance(outcome, RunFolder)]
    left_out = [outcome for outcome in outcomes if isinstance(outcome, LeftOut)]
    return runs, left_out


def read_run(folder: Path) -> RunFolder | LeftOut:
    """Read a run folder, or return the reason why it is left out."""
    if not (folder / "metrics.json").exists():
        return LeftOut(folder, f"unfinished: it has no metrics.json{_failure(folder)}")
    try:
        config = _read_config(folder / "config.yaml")
        metrics = read_json(folder / "metrics.json")
        facts = read_json(folder / "run.json")
        _check(config, metrics, facts)
    except FileNotFoundError as error:
        return LeftOut(folder, f"damaged: it has no {Path(error.filename).name}")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError) as error:
        return LeftOut(folder, f"damaged: {_one_line(error)}")
    splits = {split: metrics[split] for split in ("validation", "test")}
    return RunFolder(path=folder, config=config, metrics=splits, facts=facts)


def _read_config(path: Path) -> Any:  # noqa: ANN401 - any YAML
    """Read YAML without anchors, because a few lines with anchors can expand to more than the memory.

    Raises:
        OSError: the file cannot be read.
        ValueError, yaml.YAMLError: the file is not such a YAML file.
    """
    with open_regular(path) as file:
        text = file.read(_LONGEST_CONFIG + 1).decode("utf-8")
    if len(text) > _LONGEST_CONFIG:
        raise ValueError(f"{path.name}: expected at most {_LONGEST_CONFIG} characters, found more")
    if text.count("[") + text.count("{") > _MAX_BRACKETS:
        raise ValueError(f"{path.name}: expected at most {_MAX_BRACKETS} brackets, found more")
    try:
        if any(isinstance(token, yaml.AnchorToken) for token in yaml.scan(text)):
            raise ValueError(f"{path.name}: expected plain YAML, found an anchor")
        return yaml.safe_load(text)
    except RecursionError as error:
        raise ValueError(f"{path.name}: brackets are nested too deeply") from error


def _walk(place: Path) -> Iterator[Path]:
    """Find run folders; they are not nested. Leave out results that newer ones have replaced."""
    for folder, names, files in os.walk(place):
        if RESULTS_ELSEWHERE in files and "metrics.json" not in files:
            names.clear()
        elif any(mark in files or mark in names for mark in _MARKS):
            names.clear()
            yield Path(folder)
        else:
            names[:] = sorted(name for name in names if not name.startswith(".") and name != SUPERSEDED)


def _check(config: Mapping[str, Any], metrics: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
    """Check for all values that a report needs.

    Raises:
        ValueError, KeyError, TypeError, AttributeError: a value is missing or has the wrong type.
    """
    if not isinstance(config["name"], str) or not isinstance(config["seed"], int):
        raise ValueError("config.yaml has no name or no seed")
    for group, keys in _NEEDED.items():
        for key in keys:
            config[group][key]
    labels = "labels" if "labels" in facts["data"] else _OLD_LABELS
    for name in ("fingerprint", labels):
        if not isinstance(facts["data"][name], str):
            raise ValueError(f"run.json, data.{name}: expected a fingerprint, found {facts['data'][name]!r}")
    if not metrics["validation"]:
        raise ValueError("metrics.json has no metrics")
    for split in ("validation", "test"):
        for name, value in metrics[split].items():
            if not isinstance(value, float) or not math.isfinite(value):
                raise ValueError(f"metrics.json, {split}, {name}: expected a number, found {value!r}")


def _failure(folder: Path) -> str:
    """Quote the error of a failed run, if a sweep recorded it."""
    try:
        lines = (folder / "error.txt").read_text("utf-8", errors="replace").split("\n")
    except OSError:
        return ""
    last = [line for line in lines if line.strip()][-1:]
    return f"; it failed with {last[0].strip()}" if last else ""


def _one_line(error: Exception) -> str:
    found = f"it has no {error}" if isinstance(error, KeyError) else str(error)
    return " ".join(found.split())[:200]


def _load_if_there(path: Path, load: Callable[[Path], Loaded]) -> Loaded | None:
    """Load a file of a stage; without it, a report lacks a figure, but is still written."""
    try:
        return load(path)
    except (OSError, UserError):
        return None
