"""Refuses an impossible config before any data is read."""

import difflib
import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from hydra.utils import get_object
from omegaconf import DictConfig, OmegaConf
from pydantic import ConfigDict, TypeAdapter, ValidationError

from xcgraph.cli.idle import check_idle
from xcgraph.errors import UserError
from xcgraph.saved_runs.build import build_node

Node = Mapping[str, Any]


def build(config: DictConfig, overrides: Iterable[str] = ()) -> Any:  # noqa: ANN401 - any class
    """Check a composed config and build what its ``run`` node describes.

    Args:
        config: the composed config.
        overrides: what the user has set on the command line.

    Raises:
        UserError: a key is unknown or has no effect, or a value has the wrong type or is out of range.
    """
    check_idle(config, overrides)
    plain = OmegaConf.to_container(config, resolve=False)
    for path, node in _targets(OmegaConf.to_container(config, resolve=True), ""):
        _check_node(_where_set(path, plain), node, lambda key: _where_set(key, plain))
    return build_node(config.run)


def check_keys(found: Iterable[Any], known: Iterable[str], path: str = "") -> None:
    """Compare keys with the known ones.

    Raises:
        UserError: a key is unknown.
    """
    known = sorted(known)
    for key in map(str, found):
        if key not in known:
            close = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean {path}{close[0]}?" if close else f"known keys are {', '.join(known)}."
            raise UserError(f"Unknown key {path}{key}: {hint}")


def _where_set(path: str, plain: Any) -> str:  # noqa: ANN401 - a config without its interpolations resolved
    """Return where the user sets what a path shows: ``graph.`` for ``run.recipe.graph.``."""
    place: list[str] = []
    for part in path.split("."):
        place.append(part)
        node = _select(plain, place)
        while isinstance(node, str) and re.fullmatch(r"\$\{[\w.]+\}", node):
            place = node[2:-1].split(".")
            node = _select(plain, place)
    return ".".join(place)


def _select(plain: Any, place: Sequence[str]) -> Any:  # noqa: ANN401 - any part of a config
    for part in place:
        if isinstance(plain, list) and part.isdecimal():
            plain = plain[int(part)]
        else:
            plain = plain.get(part) if isinstance(plain, dict) else None
    return plain


def _targets(node: Any, path: str) -> Iterator[tuple[str, Node]]:  # noqa: ANN401 - any part of a config
    """Find all nodes that name a class or function, with the path of their arguments."""
    if isinstance(node, dict):
        if "_target_" in node:
            yield path, node
        for key, child in node.items():
            yield from _targets(child, f"{path}{key}.")
    elif isinstance(node, list):
        for number, child in enumerate(node):
            yield from _targets(child, f"{path}{number}.")


def _check_node(path: str, node: Node, name: Callable[[str], str]) -> None:
    parameters = inspect.signature(get_object(node["_target_"])).parameters
    values = {key: value for key, value in node.items() if not key.startswith("_")}
    check_keys(values, parameters, path)
    for key, value in values.items():
        if not any(_targets(value, "")):
            _check_type(name(f"{path}{key}"), value, parameters[key].annotation)


def _check_type(path: str, value: Any, annotation: Any) -> None:  # noqa: ANN401 - any value, any type
    if annotation is inspect.Parameter.empty:
        return
    adapter = TypeAdapter(annotation, config=_config_for(annotation))
    try:
        adapter.validate_python(value, strict=not isinstance(value, list))
    except ValidationError as error:
        reason = error.errors()[0]["msg"].removeprefix("Input ")
        raise UserError(f"{path}={value!r}: the value {reason}.") from None


def _config_for(annotation: Any) -> ConfigDict | None:  # noqa: ANN401 - any type
    """Return Pydantic's settings for plain types. Its own classes bring their settings."""
    return None if inspect.isclass(annotation) else ConfigDict(arbitrary_types_allowed=True)
