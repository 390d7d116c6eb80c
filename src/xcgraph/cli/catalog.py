"""Reads from the config files which groups and keys each recipe has, without composing a config.

Composing needs Hydra, and fails if a key is wrong. ``--help`` must be fast, and a message
about a wrong key must not fail.
"""

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import yaml

# Folders of files that other config files include. They hold no options.
SHARED = "_shared"


@dataclass(frozen=True)
class Outline:
    """What the files of a config bring.

    Attributes:
        groups: the chosen option by group. A group at another place has the place in its name, such as
            ``stage@stages.joint``.
        keys: all keys by dotted path, inner nodes included.
    """

    groups: dict[str, str | None] = field(default_factory=dict)
    keys: set[str] = field(default_factory=set)


class Catalog:
    """The config files of the package and of a user's folder.

    Args:
        folders: further folders, searched before the package's own.
    """

    def __init__(self, folders: Sequence[str] = ()) -> None:
        self._folders: list[Traversable] = [
            *(Path(folder) for folder in folders),
            resources.files("xcgraph.conf"),
        ]
        self._load = functools.cache(self._load_file)

    @functools.cached_property
    def groups(self) -> tuple[str, ...]:
        """The names of all groups."""
        found = {
            entry.name
            for folder in self._folders
            if folder.is_dir()
            for entry in folder.iterdir()
            if entry.is_dir() and not entry.name.startswith(("_", ".")) and entry.name != "hydra"
        }
        return tuple(sorted(found))

    def options(self, group: str) -> tuple[str, ...]:
        """Return the options of a group; an option in a subfolder has the subfolder in its name."""
        found = {name for folder in self._folders for name in _yaml_names(folder.joinpath(*group.split("/")))}
        return tuple(sorted(found, key=lambda name: ("/" in name, name)))

    def recipes_with(self, name: str) -> list[str]:
        """Return the recipes that have a key or a group."""
        outlines = {recipe: self.outline("train", {"recipe": recipe}) for recipe in self.options("recipe")}
        return [recipe for recipe, outline in outlines.items() if name in outline.keys | set(outline.groups)]

    def outline(self, primary: str, choices: Mapping[str, str | None] | None = None) -> Outline:
        """Return the groups and keys of a primary config.

        Args:
            primary: its name, such as ``train``.
            choices: options by group instead of the default ones.
        """
        walk = _Walk(self._load, dict(choices or {}))
        walk.visit(primary, "")
        walk.visit_deferred()
        return walk.outline

    def _load_file(self, path: str) -> tuple[bool, dict[str, Any]] | None:
        """Return whether a file's keys belong to the root of the config, and its content."""
        for folder in self._folders:
            file = folder.joinpath(*f"{path}.yaml".split("/"))
            if file.is_file():
                text = file.read_text("utf-8")
                content = yaml.safe_load(text)
                return text.startswith("# @package _global_"), content if isinstance(content, dict) else {}
        return None


class _Walk:
    """Follows the defaults lists of config files."""

    def __init__(self, load: Any, choices: dict[str, str | None]) -> None:  # noqa: ANN401 - a cached method
        self.outline = Outline()
        self._load = load
        self._choices = choices
        self._deferred: list[tuple[str, str]] = []

    def visit(self, path: str, package: str) -> None:
        """Add the groups and keys of a file, which stands at a place of the config."""
        loaded = self._load(path)
        if loaded is None:
            return
        is_global, content = loaded
        place = "" if is_global else package
        entries = list(content.get("defaults") or [])
        for group, option in _overrides(entries):
            self._choices.setdefault(group, option)
        for entry in reversed(entries):  # As in Hydra, a later file can override the options of earlier ones.
            self._follow(entry, path.rpartition("/")[0], place)
        own = {key: value for key, value in content.items() if key != "defaults"}
        self.outline.keys.update(_paths(own, place))

    def visit_deferred(self) -> None:
        """Visit the files that another group's option names, once all options are known."""
        for group, other in self._deferred:
            self.visit(f"{group}/{self.outline.groups.get(other)}", "")

    def _follow(self, entry: Any, folder: str, place: str) -> None:  # noqa: ANN401 - YAML
        if isinstance(entry, str):
            name, _, package = entry.partition("@")
            if name != "_self_":
                self.visit(_absolute(name, folder), _join(place, "" if package == "_here_" else package))
            return
        ((key, option),) = entry.items()
        if key.startswith("override "):
            return
        name, _, package = key.removeprefix("optional ").partition("@")
        group = _absolute(name, folder)
        if isinstance(option, str) and option.startswith("${"):
            self._deferred.append((group, option[2:-1]))
            return
        named = f"{group}@{_join(place, package)}" if package else group
        if not group.startswith("hydra"):
            chosen = self._choices.get(named, option)
            self.outline.groups[named] = chosen
            if chosen is not None:
                self.visit(f"{group}/{chosen}", _join(place, package) if package else group.replace("/", "."))


def _overrides(entries: Sequence[Any]) -> Iterator[tuple[str, str | None]]:
    for entry in entries:
        if isinstance(entry, dict):
            ((key, option),) = entry.items()
            if key.startswith("override "):
                yield key.removeprefix("override ").strip("/ "), option


def _absolute(name: str, folder: str) -> str:
    return name[1:] if name.startswith("/") else "/".join(part for part in (folder, name) if part)


def _join(place: str, package: str) -> str:
    return ".".join(part for part in (place, package) if part)


def _paths(node: Mapping[str, Any], place: str) -> Iterator[str]:
    """Yield the dotted paths of a node's keys, and the place itself with all places that it lies in."""
    parts = place.split(".") if place else []
    yield from (".".join(parts[: end + 1]) for end in range(len(parts)))
    for key, value in node.items():
        path = _join(place, str(key))
        yield path
        if isinstance(value, dict):
            yield from _paths(value, path)


def _yaml_names(folder: Traversable, prefix: str = "") -> Iterator[str]:
    if not folder.is_dir():
        return
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.name.startswith(("_", ".")):
            yield from _yaml_names(entry, f"{prefix}{entry.name}/")
        elif entry.name.endswith(".yaml"):
            yield f"{prefix}{entry.name.removesuffix('.yaml')}"
