"""Finds the values of a config that change nothing, so that no sweep compares a run with itself."""

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from omegaconf import DictConfig, OmegaConf

from xcgraph.cli.catalog import Catalog
from xcgraph.errors import UserError

# Top-level keys that a command reads without the help of its ``run`` node.
READ_BY_COMMAND = ("hydra", "logger", "name", "paths")
# Groups that a config always has although some options of other groups do not use them: a dual encoder
# without a residual block, a RAMEN-style recipe without anchors, data without texts.
OPTIONAL_GROUPS = ("block", "graph", "text")

_INTERPOLATION = re.compile(r"\$\{(\.*)([\w.@-]+)\}")


def check_idle(config: DictConfig, overrides: Iterable[str] = ()) -> None:
    """Refuse values that the ``run`` node does not use.

    Args:
        config: a composed config.
        overrides: the command line's.

    Raises:
        UserError: a value has no effect.
    """
    given = {override.lstrip("+~").partition("=")[0] for override in overrides}
    own = {name.partition("@")[2] or name.partition(".")[0] for name in given}
    idle = idle_keys(config)
    for key in idle:
        top = key.partition(".")[0]
        if top not in OPTIONAL_GROUPS or top in own:
            raise UserError(_sentence(key, top, config, idle))
    _check_parts(config, given)


def _sentence(key: str, top: str, config: DictConfig, idle: Sequence[str]) -> str:
    """Name a key that is close to an unknown one, and say of a known one which recipe does not use it."""
    used = {str(name) for name in config} - {each.partition(".")[0] for each in idle}
    close = difflib.get_close_matches(top, sorted(used), n=1)
    if close and not Catalog().recipes_with(top):
        return f"Unknown key {top}: did you mean {close[0]}?"
    recipe = str(OmegaConf.select(config, "recipe._target_", default="")).rpartition(".")[2]
    user = f"this run of {recipe}" if recipe else "this command"
    return f"{key} has no effect: nothing in {user} uses it; leave it out."


def idle_keys(config: DictConfig) -> list[str]:
    """Return the dotted keys of all values that neither the ``run`` node nor the command uses."""
    plain = OmegaConf.to_container(config, resolve=False)
    if not isinstance(plain, dict):
        return []
    leaves = dict(_leaves(plain, ""))
    used: set[str] = set()
    waiting = ["run"]
    while waiting:
        place = waiting.pop()
        for key, value in leaves.items():
            if key not in used and _is_inside(key, place):
                used.add(key)
                waiting += _references(key, value)
    return [key for key in leaves if key not in used and key.partition(".")[0] not in READ_BY_COMMAND]


def _leaves(node: Mapping[Any, Any], path: str) -> Iterator[tuple[str, Any]]:
    for key, value in node.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, f"{path}{key}.")
        else:
            yield f"{path}{key}", value


def _is_inside(key: str, place: str) -> bool:
    """Whether a leaf is a node or in it, or is an interpolated node that it lies in."""
    return key == place or key.startswith(f"{place}.") or place.startswith(f"{key}.")


def _references(key: str, value: Any) -> Iterator[str]:  # noqa: ANN401 - any value of a config
    """Yield the keys that a value refers to."""
    if isinstance(value, list):
        for each in value:
            yield from _references(key, each)
    elif isinstance(value, dict):
        for each in value.values():
            yield from _references(key, each)
    elif isinstance(value, str):
        for dots, name in _INTERPOLATION.findall(value):
            parts = key.split(".")
            yield ".".join([*parts[: len(parts) - len(dots)], name] if dots else [name])


def _check_parts(config: DictConfig, given: set[str]) -> None:
    """Refuse combinations of parts in which one makes the other useless.

    Raises:
        UserError: a value has no effect.
    """
    if _is("graph", "IdentityGraph", config):
        if config.get("hops"):
            raise UserError(f"hops={config.hops} has no effect with graph=none: set hops=0.")
        if config.get("smooth_centroids") is False:
            raise UserError("smooth_centroids=false has no effect with graph=none: leave it out.")
    has_anchors = "anchors" in config and not _is("anchors", "NoAnchors", config)
    if has_anchors and _is("regularizer", "NoRegularization", config):
        if "positives" not in config:
            raise UserError(
                "anchors have no effect with regularizer=none: set anchors=none or regularizer=graph."
            )
        if _is("positives", "ObservedLabels", config):
            raise UserError(
                "anchors have no effect with regularizer=none and positives=observed: set anchors=none, "
                "regularizer=graph or positives=augmented."
            )
    if "fusion" in given and "hops" in config and not _is("refinement", "RandomRefinementVectors", config):
        views = bool(config.own_text) + config.hops + (not _is("refinement", "NoRefinement", config))
        if views == 1:
            raise UserError("fusion has no effect: labels have a single view. Set hops ≥ 1 or a refinement.")


def _is(group: str, name: str, config: DictConfig) -> bool:
    target = OmegaConf.select(config, f"{group}._target_", default="")
    return str(target).rpartition(".")[2] == name
