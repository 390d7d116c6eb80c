"""Explains in one sentence which override does not fit a config, and what would fit."""

import difflib
import itertools
import re
from collections.abc import Iterator, Sequence

from hydra._internal.utils import get_args_parser
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException, OverrideParseException

from xcgraph.cli.catalog import Catalog

# Names of earlier versions.
_RENAMED = {
    "embeddings": "token_embeddings",
    "propagation": "hops",
    "trade_off": "regularizer_weight",
    "truth": "positives",
}
_UNUSED = re.compile(r"In '(?P<file>[^']+)': Could not override '(?P<group>[^']+)'")
# Groups whose options change a config as a whole.
_WHOLE = ("data", "experiment", "hparams_search", "recipe")
_KEY = re.compile(r"Could not override '(?P<key>[^']+)'")


def explain(error: HydraException, primary: str, arguments: Sequence[str]) -> str | None:
    """Return a sentence about the first override that the config does not have, or None.

    Args:
        error: what Hydra said.
        primary: name of the primary config, such as ``train``.
        arguments: the command line.
    """
    options = get_args_parser().parse_args(list(arguments))
    if options.config_name or options.config_path:
        return None
    catalog = Catalog([options.config_dir] if options.config_dir else [])
    try:
        overrides = OverridesParser.create().parse_overrides(options.overrides)
    except OverrideParseException as wrong:
        return f"{wrong.override}: expected key=value; quote a value with spaces or commas."
    for choices in _group_choices(overrides, catalog):
        explained = _Explainer(catalog, primary, choices)
        sentences = [explained.refuse(override) for override in overrides]
        sentences.append(explained.refuse_message(str(error)))
        found = next(filter(None, sentences), None)
        if found:
            return found
    return None


def _group_choices(overrides: Sequence[Override], catalog: Catalog) -> Iterator[dict[str, str]]:
    """Yield the chosen options by group, for each cell of a sweep."""
    groups = [each for each in overrides if _is_choice(each, catalog)]
    for values in itertools.product(*(_values(each) for each in groups)):
        yield {each.get_key_element(): value for each, value in zip(groups, values, strict=True)}


def _is_choice(override: Override, catalog: Catalog) -> bool:
    is_plain = not (override.is_add() or override.is_force_add() or override.is_delete())
    return is_plain and bool(catalog.options(override.key_or_group))


def _values(override: Override) -> list[str]:
    if override.is_sweep_override():
        return list(override.sweep_string_iterator()) if override.is_discrete_sweep() else []
    return [str(override.value())]


class _Explainer:
    """Explains what one cell does not have."""

    def __init__(self, catalog: Catalog, primary: str, choices: dict[str, str]) -> None:
        self._catalog = catalog
        self._choices = choices
        self._primary = primary
        self._outline = catalog.outline(primary, choices)
        recipe = self._outline.groups.get("recipe")
        self._owner = f"recipe {recipe}" if recipe else f"xcgraph-{primary}"

    def refuse(self, override: Override) -> str | None:
        """Return a sentence if the config does not have what an override changes."""
        name = override.get_key_element().lstrip("+~")
        if name.partition("@")[0].partition("/")[0].partition(".")[0] == "hydra" or override.is_force_add():
            return None
        options = self._catalog.options(override.key_or_group)
        if options:
            return self._refuse_group(name, options)
        if override.is_add() or name in self._outline.keys:
            return None
        return self._refuse_key(name)

    def refuse_message(self, message: str) -> str | None:
        """Return a sentence for a message of Hydra about a file, or about a key that a search varies."""
        unused = _UNUSED.search(message)
        if unused:
            group = unused["group"]
            return (
                f"{unused['file']} chooses an option of the group {group}, which {self._owner} does not have"
                f"{self._elsewhere(group)}; {self._has_groups()}."
            )
        key = _KEY.search(message)
        return self._refuse_key(key["key"]) if key and key["key"] not in self._outline.keys else None

    def _refuse_group(self, name: str, options: Sequence[str]) -> str | None:
        chosen = self._choices.get(name)
        if chosen is not None and chosen not in (*options, "null", "None"):
            return f"{name}={chosen}: {_suggest(chosen, options)}."
        if name in self._outline.groups:
            return None
        return f"{self._owner} has no group {name}{self._elsewhere(name)}; {self._has_groups()}."

    def _refuse_key(self, name: str) -> str:
        elsewhere = self._elsewhere(name)
        if elsewhere:
            return f"{self._owner} has no {name}{elsewhere}; it has {self._has_values(name)}."
        renamed = _RENAMED.get(name.partition(".")[0])
        parent, beside = self._beside(name)
        close = [renamed] if renamed else difflib.get_close_matches(name, beside, n=1, cutoff=0.7)
        if close:
            return f"Unknown key {name}: did you mean {close[0]}?"
        known = ", ".join(key.rpartition(".")[2] for key in beside)
        hint = f"{parent} has {known}." if parent else f"xcgraph-{self._primary} --cfg job shows all keys."
        return f"Unknown key {name}: {hint}"

    def _elsewhere(self, name: str) -> str:
        """Say which options of this recipe, or else which recipes, have a key or group."""
        bringing = [
            f"{group}={option}"
            for group, chosen in self._outline.groups.items()
            if group not in _WHOLE
            for option in self._catalog.options(group.partition("@")[0])
            if option != chosen and self._brings(group, option, name)
        ]
        if bringing:
            groups = sorted({each.partition("=")[0] for each in bringing})
            chosen = ", ".join(f"{group}={self._outline.groups[group]}" for group in groups)
            return f" with {chosen} ({' or '.join(bringing)} has it)"
        recipes = self._catalog.recipes_with(name) if "recipe" in self._outline.groups else []
        return f" (recipes with it: {', '.join(recipes)})" if recipes else ""

    def _brings(self, group: str, option: str, name: str) -> bool:
        other = self._catalog.outline(self._primary, {**self._outline.groups, group: option})
        return name in other.keys | set(other.groups)

    def _has_values(self, name: str) -> str:
        """Name the value of the recipe that is most like a missing one, or all values of the recipe's own."""
        leaf = name.rpartition(".")[2]
        same = sorted(key for key in self._outline.keys if key.rpartition(".")[2] == leaf)
        own = {key.rpartition(".")[2]: key for key in self._own_values()}
        close = [own[each] for each in difflib.get_close_matches(leaf, own, n=1)]
        return ", ".join((same or close)[:1] or sorted(own.values()))

    def _own_values(self) -> list[str]:
        """List the keys that the recipe itself brings, without groups and nodes."""
        shared = self._catalog.outline(self._primary, {"recipe": None})
        nodes = {key.rpartition(".")[0] for key in self._outline.keys}
        found = self._outline.keys - shared.keys - set(self._outline.groups) - nodes
        tops = {key for key in found if "." not in key}
        inner = {key for key in found if key.startswith("recipe.") and key.count(".") == 1}
        copies = {"_target_", "stage", *(key for key in self._outline.keys if "." not in key)}
        return sorted(tops | {key for key in inner if key.removeprefix("recipe.") not in copies})

    def _beside(self, name: str) -> tuple[str, list[str]]:
        """Return the longest part of a path that is known, and the keys in it."""
        parts = name.split(".")
        parents = (".".join(parts[:end]) for end in range(len(parts) - 1, 0, -1))
        parent = next((each for each in parents if each in self._outline.keys), "")
        start, depth = (f"{parent}.", parent.count(".") + 1) if parent else ("", 0)
        known = self._outline.keys if parent else self._outline.keys | set(self._outline.groups)
        beside = (key for key in known if key.startswith(start) and key.count(".") == depth)
        return parent, sorted(key for key in beside if not key.endswith("_"))

    def _has_groups(self) -> str:
        shared = self._catalog.outline(self._primary, {"recipe": None}).groups
        own = sorted(name for name in self._outline.groups if name not in shared)
        return f"its groups are {', '.join(own or sorted(shared))}"


def _suggest(found: str, options: Sequence[str]) -> str:
    """Name the option that is most like a wrong one, and all options, or the options in ``folder/``."""
    if found.endswith("/"):
        return f"the options are {', '.join(option for option in options if option.startswith(found))}"
    same = [option for option in options if option.rpartition("/")[2] == found]
    close = same or difflib.get_close_matches(found, options, n=1)
    first = f"did you mean {close[0]}? " if close else ""
    shown = [option for option in options if "/" not in option]
    return f"{first}The options are {', '.join(shown)}"
