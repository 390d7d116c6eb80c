"""Run folders on disk: found, read, and refused with a reason where they are unfinished or damaged."""

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
# A run folder has one of these from its first moment on.
_MARKS = ("config.yaml", "metrics.json", "run.json", ".hydra")
_LONGEST_CONFIG = 1 << 17
_MOST_BRACKETS = 1000  # the scanner goes through all that are open at each of its steps


@dataclass(frozen=True, kw_only=True)
class ViewWeights:
    """How much each view of some labels weighs in their vectors.

    Attributes:
        views: such as ``text`` and ``graph``.
        shares: (labels, views); a row sums to 1.
    """

    views: tuple[str, ...]
    shares: Sequence[Sequence[float]]


@dataclass(frozen=True, kw_only=True)
class RunFolder:
    """A finished run.

    Attributes:
        path: its folder.
        config: the resolved config.
        metrics: by split, ``validation`` and ``test``, fractions by name; a split may have none.
        facts: what ``run.json`` says: data, seed, seconds, memory, versions.
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
        """The seed of everything random."""
        return int(self.config["seed"])

    @property
    def split(self) -> str:
        """The split that counts: the test points, or the validation points of data that has no other."""
        return "test" if self.metrics["test"] else "validation"

    @property
    def stages(self) -> tuple[str, ...]:
        """The names of the stages whose outputs are there, in alphabetical order."""
        folder = self.path / "stages"
        return tuple(sorted(entry.name for entry in folder.iterdir())) if folder.is_dir() else ()

    def predictions(self) -> csr_array:
        """Return the (points, labels) scores of the test points."""
        return load_csr(self.path / "predictions.npz")

    def matrix(self, stage: str) -> csr_array | None:
        """Return the sparse matrix that a stage left, or None."""
        return _load_if_there(self.path / "stages" / stage / "matrix.npz", load_csr)

    def arrays(self, stage: str) -> dict[str, NDArray] | None:
        """Return the arrays that a stage left, or None."""
        return _load_if_there(self.path / "stages" / stage / "arrays.npz", load_arrays)


@dataclass(frozen=True)
class LeftOut:
    """A folder that no average contains, and why."""

    path: Path
    reason: str


def find_runs(places: Iterable[Path]) -> tuple[list[RunFolder], list[LeftOut]]:
    """Read all run folders at or below some places, sorted by path.

    Returns:
        The finished runs, and those that are unfinished, damaged or repeat another one's config and seed.

    Raises:
        UserError: a place is not there, or there is no run folder at all.
    """
    places = list(places)
    for place in places:
        if not place.is_dir():
            raise UserError(f"{place}: expected a run folder or a folder that contains some, found none.")
    folders = {folder.resolve(): folder for place in places for folder in _walk(place)}
    if not folders:
        raise UserError(
            f"Expected run folders of xcgraph-train in {', '.join(map(str, places))}, found none: "
            "a finished one holds metrics.json."
        )
    outcomes = [read_run(folder) for folder in sorted(folders.values())]
    runs = [outcome for outcome in outcomes if isinstance(outcome, RunFolder)]
    left_out = [outcome for outcome in outcomes if isinstance(outcome, LeftOut)]
    return runs, left_out


def read_run(folder: Path) -> RunFolder | LeftOut:
    """Read a run folder, or say why not."""
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


def _read_config(path: Path) -> Any:  # noqa: ANN401 - whatever the file says
    """Read YAML without anchors: a few lines of them stand for more than any memory holds.

    Raises:
        OSError: there is no such file.
        ValueError, yaml.YAMLError: it is no such YAML.
    """
    with open_regular(path) as file:
        text = file.read(_LONGEST_CONFIG + 1).decode("utf-8")
    if len(text) > _LONGEST_CONFIG:
        raise ValueError(f"{path.name}: expected at most {_LONGEST_CONFIG} characters, found more")
    if text.count("[") + text.count("{") > _MOST_BRACKETS:
        raise ValueError(f"{path.name}: expected at most {_MOST_BRACKETS} brackets, found more")
    try:
        if any(isinstance(token, yaml.AnchorToken) for token in yaml.scan(text)):
            raise ValueError(f"{path.name}: expected plain YAML, found an anchor")
        return yaml.safe_load(text)
    except RecursionError as error:
        raise ValueError(f"{path.name}: brackets are nested too deeply") from error


def _walk(place: Path) -> Iterator[Path]:
    """Find run folders; nothing below one is another."""
    for folder, names, files in os.walk(place):
        if any(mark in files or mark in names for mark in _MARKS):
            names.clear()
            yield Path(folder)
        else:
            names[:] = sorted(name for name in names if not name.startswith("."))


def _check(config: Mapping[str, Any], metrics: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
    """Touch all that a report cannot do without.

    Raises:
        ValueError, KeyError, TypeError, AttributeError: it is not there.
    """
    if not isinstance(config["name"], str) or not isinstance(config["seed"], int):
        raise ValueError("config.yaml has no name or no seed")
    for group, keys in _NEEDED.items():
        for key in keys:
            config[group][key]
    for name in ("fingerprint", "truth"):
        if not isinstance(facts["data"][name], str):
            raise ValueError("run.json has no fingerprint of the data")
    if not metrics["validation"]:
        raise ValueError("metrics.json has no metrics")
    for split in ("validation", "test"):
        for name, value in metrics[split].items():
            if not isinstance(value, float) or not math.isfinite(value):
                raise ValueError(f"metrics.json, {split}, {name}: expected a number, found {value!r}")


def _failure(folder: Path) -> str:
    """Quote what stopped a run, if a sweep noted it."""
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
    """Load a file of a stage; what is missing or broken there costs a figure, not the report."""
    try:
        return load(path)
    except (OSError, UserError):
        return None
