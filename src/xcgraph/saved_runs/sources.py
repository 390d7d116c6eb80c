"""Rebuild the dataset and the model of a run folder from its config."""

import functools
import inspect
import logging
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import yaml
from hydra.errors import InstantiationException
from hydra.utils import get_object
from omegaconf import DictConfig, OmegaConf

from xcgraph.data.datamodule import XCDataModule
from xcgraph.data.xc_data import XCData
from xcgraph.errors import UserError
from xcgraph.identity import public_name
from xcgraph.runs.folder import RunFolder, ViewWeights
from xcgraph.runs.reopen import reopen, view_shares
from xcgraph.runs.run import Model, Run
from xcgraph.saved_runs.build import build_node

_log = logging.getLogger(__name__)

_OWN = ("xcgraph", "data_modules")


class ConfigSources:
    """Reads the datasets and models that the configs of runs describe.

    A run folder may come from someone else, and the names in its config decide which classes are called. A
    config may thus name only the classes and functions that the configs of xcgraph name.

    Args:
        trusted: further packages whose classes a run's config may name.
        cache: folder for the binary form of data files, if the cache folder of a run no longer exists.
    """

    def __init__(self, trusted: Sequence[str], cache: Path) -> None:
        self._trusted = tuple(trusted)
        self._cache = cache
        self._data: dict[str, XCData] = {}

    def data(self, run: RunFolder) -> XCData:
        """Return the dataset of a run; runs on the same dataset share one copy.

        Raises:
            UserError: the dataset cannot be read, or the config names a class that is not trusted.
        """
        fingerprint = run.facts["data"]["fingerprint"]
        if fingerprint not in self._data:
            self._data[fingerprint] = self._module(run).read()
        return self._data[fingerprint]

    def test_texts(self, run: RunFolder) -> Sequence[str]:
        """Return the texts of the test points; empty if the dataset has no texts."""
        found = self._module(run).point_texts()
        texts = () if found is None else tuple(found.test)
        return texts if len(texts) == len(self.data(run).test) else ()

    def view_weights(self, run: RunFolder, labels: Sequence[int]) -> ViewWeights | None:
        """Return the weights of the views of some labels in the first ranker; None if it has no weights."""
        try:
            shares = view_shares(self.model(run, max_trees=1), labels)
        except UserError as error:
            _log.warning("No view weights of %s: %s", run.path, error)
            return None
        return (
            ViewWeights(views=tuple(shares), shares=[*zip(*shares.values(), strict=True)]) if shares else None
        )

    def model(self, run: RunFolder, max_trees: int | None = None) -> Model:
        """Load the model of a run, with all trees or only the first ones.

        Raises:
            UserError: the data have changed, a stage is missing, damaged or of another run, or the config
                names a class that is not trusted.
        """
        built = self.run(run, max_trees)
        data, expected = self.data(run), run.facts["data"]["fingerprint"]
        if data.fingerprint != expected:
            raise UserError(
                f"{run.path}: the data have changed: {data.name} has fingerprint {data.fingerprint} now, but "
                f"the run was made of data with fingerprint {expected}; restore the data, or train it again."
            )
        return reopen(run.path, built.recipe, built.validation, data=data, seed=run.seed)

    def run(self, run: RunFolder, max_trees: int | None = None) -> Run:
        """Build the run that a config describes, with all trees or only the first ones.

        Raises:
            UserError: the config does not describe a run, or names a class that is not trusted.
        """
        node = OmegaConf.create(dict(run.config.get("run") or {}))
        if max_trees is not None and OmegaConf.select(node, "recipe.num_trees") is not None:
            node.recipe.num_trees = min(max_trees, node.recipe.num_trees)
        built = self._build(node)
        if not isinstance(built, Run):
            raise UserError(f"{run.path}: its config describes no run; name the folder of a run.")
        return built

    def _module(self, run: RunFolder) -> XCDataModule:
        node = OmegaConf.create(dict(run.config["data"]))
        if "cache" in node and not Path(str(node.cache)).is_dir():
            node.cache = str(self._cache)
        module = self._build(node)
        if not isinstance(module, XCDataModule):
            raise UserError(
                f"{run.path}: expected a data module in config.yaml, found {type(module).__name__}."
            )
        return module

    def _build(self, node: DictConfig) -> Any:  # noqa: ANN401 - any object that a config describes
        content = OmegaConf.to_container(node)
        for text in _texts(content):
            if "${" in text:  # its value could change between the check and the build
                raise UserError(
                    f"The run's config has the interpolation {text}; expected its value, as runs write it."
                )
        for target in _targets(content):
            self._check(target)
        try:
            return build_node(node)
        except InstantiationException as error:
            reason = " ".join(str(error).split())[:500]
            raise UserError(
                f"The run's config does not fit this version of xcgraph; if an older version wrote it, train "
                f"the run again: {reason}"
            ) from error

    def _check(self, target: str) -> None:
        """Refuse a name that is not the name of a part of a recipe, or of a trusted package.

        Other functions of xcgraph write files, or run commands that trust more names than this class does.
        A part may also be named by its module; its public name decides.

        Raises:
            UserError: the name is refused.
        """
        package = target.partition(".")[0]
        if target in shipped_targets() or (package in self._trusted and _home(target) in self._trusted):
            return
        found = _find(target) if package in _OWN else None
        if package in _OWN and found is None:
            raise UserError(
                f"The run's config names {target}, which this version of xcgraph does not have: the run is "
                "of an older version; train it again."
            )
        if found is not None and public_name(found) in shipped_targets():
            return
        kind = "no part of a recipe" if package in _OWN else "not of xcgraph"
        raise UserError(
            f"The run's config names {target}, which is {kind}: if you trust it, add --trust {package}."
        )


@functools.cache
def shipped_targets() -> frozenset[str]:
    """Return the names of all parts in the configs of xcgraph, without its commands."""
    folder = resources.files("xcgraph.conf")
    found = {target for content in _contents(folder) for target in _targets(content)}
    return frozenset(target for target in found if not target.startswith("xcgraph.cli."))


def _contents(folder: Traversable) -> Iterator[Any]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _contents(entry)
        elif entry.name.endswith(".yaml"):
            yield yaml.safe_load(entry.read_text("utf-8"))


def _home(target: str) -> str:
    """Return the package that defines a class or function, which another package may only import."""
    return str(get_object(target).__module__).partition(".")[0]


def _find(target: str) -> Any:  # noqa: ANN401 - a class or function
    """Return the class or function with a name; None if the name leads to nothing or to something else."""
    try:
        found = get_object(target)
    except Exception:  # hydra reports missing names and failing imports by several types
        return None
    return found if inspect.isclass(found) or inspect.isroutine(found) else None


def _texts(node: Any) -> Iterator[str]:  # noqa: ANN401 - any part of a config
    if isinstance(node, Mapping):
        for key, child in node.items():
            yield str(key)
            yield from _texts(child)
    elif isinstance(node, list):
        for child in node:
            yield from _texts(child)
    elif isinstance(node, str):
        yield node


def _targets(node: Any) -> Iterator[str]:  # noqa: ANN401 - any part of a config
    if isinstance(node, Mapping):
        if "_target_" in node:
            yield str(node["_target_"])
        for child in node.values():
            yield from _targets(child)
    elif isinstance(node, list):
        for child in node:
            yield from _targets(child)
