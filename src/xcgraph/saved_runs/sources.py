"""What the config of a run folder describes, built again: its data and its model."""

import functools
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
from xcgraph.runs.folder import RunFolder, ViewWeights
from xcgraph.runs.reopen import reopen, view_shares
from xcgraph.runs.run import Model, Run
from xcgraph.saved_runs.build import build_node

_log = logging.getLogger(__name__)


_OWN = ("xcgraph", "data_modules")


class ConfigSources:
    """Reads the data and models of runs as their configs describe them.

    Args:
        trusted: packages whose classes a run's config may name, beside the parts of recipes in xcgraph. A run
            folder may come from someone else, and its config names what is called.
        cache: where files are kept in the form in which they are read fast, if the run's own place is gone.
    """

    def __init__(self, trusted: Sequence[str], cache: Path) -> None:
        self._trusted = tuple(trusted)
        self._cache = cache
        self._data: dict[str, XCData] = {}

    def data(self, run: RunFolder) -> XCData:
        """Read the data set of a run's config, once for all runs on it.

        Raises:
            UserError: it cannot be read, or the config names a class of a package that is not trusted.
        """
        fingerprint = run.facts["data"]["fingerprint"]
        if fingerprint not in self._data:
            self._data[fingerprint] = self._module(run).read()
        return self._data[fingerprint]

    def test_texts(self, run: RunFolder) -> Sequence[str]:
        """Return the texts of the test points; empty where the data set has none."""
        found = self._module(run).point_texts()
        texts = () if found is None else tuple(found.test)
        return texts if len(texts) == len(self.data(run).test) else ()

    def view_weights(self, run: RunFolder, labels: Sequence[int]) -> ViewWeights | None:
        """Return how the run's first ranker weighs the views of some labels; None where it does not."""
        try:
            shares = view_shares(self.model(run, most_trees=1), labels)
        except UserError as error:
            _log.warning("No view weights of %s: %s", run.path, error)
            return None
        return (
            ViewWeights(views=tuple(shares), shares=[*zip(*shares.values(), strict=True)]) if shares else None
        )

    def model(self, run: RunFolder, most_trees: int | None = None) -> Model:
        """Load the model of a run, or the first trees of it.

        Raises:
            UserError: a stage is missing, damaged or of another run, or the config names a class of a
                package that is not trusted.
        """
        built = self.run(run, most_trees)
        return reopen(run.path, built.recipe, built.validation, data=self.data(run), seed=run.seed)

    def run(self, run: RunFolder, most_trees: int | None = None) -> Run:
        """Build what the config of a run describes, or the part of it with the first trees.

        Raises:
            UserError: it describes no run, or names a class of a package that is not trusted.
        """
        node = OmegaConf.create(dict(run.config.get("run") or {}))
        if most_trees is not None and OmegaConf.select(node, "recipe.num_trees") is not None:
            node.recipe.num_trees = min(most_trees, node.recipe.num_trees)
        built = self._build(node)
        if not isinstance(built, Run):
            raise UserError(f"{run.path}: its config describes no run; name the folder of one.")
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

    def _build(self, node: DictConfig) -> Any:  # noqa: ANN401 - what the config says
        content = OmegaConf.to_container(node)
        for text in _texts(content):
            if "${" in text:  # it could say one thing when it is checked and another when it is built
                raise UserError(
                    f"The run's config has the interpolation {text}, where a run writes its value."
                )
        for target in _targets(content):
            self._check(target)
        try:
            return build_node(node)
        except InstantiationException as error:
            raise UserError(f"The run's config describes what cannot be built: {str(error)[:500]}") from error

    def _check(self, target: str) -> None:
        """Refuse what is no part of a recipe, by its name and by where it was really defined.

        Other functions of xcgraph write files, or run commands that trust more than this one.
        """
        package = target.partition(".")[0]
        if target in shipped_targets() or (package in self._trusted and _home(target) in self._trusted):
            return
        what = "no part of a recipe" if package in _OWN else "not of xcgraph"
        raise UserError(
            f"The run's config names {target}, which is {what}: if you trust it, add --trust {package}."
        )


@functools.cache
def shipped_targets() -> frozenset[str]:
    """Return all that the configs of xcgraph itself name, but for commands."""
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
    return str(get_object(target).__module__).partition(".")[0]


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
