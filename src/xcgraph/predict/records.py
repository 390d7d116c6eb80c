"""Points and labels as JSON has them, alike in a line of the shell and in the body of a request."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from reprlib import repr as short
from typing import Any

from xcgraph.errors import UserError
from xcgraph.predict.explain import Expanded, TreePath
from xcgraph.predict.predictor import Prediction

GIVEN = ("text", "tokens", "features")
_MOST_NEIGHBOURS = 5
_COLUMN = re.compile("0|[1-9][0-9]{0,17}")  # one way to write each: no two keys mean one column


def read_record(record: object) -> object:
    """Read a point: a text alone, or an object with ``text``, ``tokens`` or ``features``.

    Returns:
        what :meth:`~xcgraph.predict.predictor.Predictor.predict` takes: a text, or weights by name or column.

    Raises:
        UserError: it is none of these.
    """
    if isinstance(record, str):
        return record
    given = [name for name in GIVEN if name in record] if isinstance(record, Mapping) else []
    if not isinstance(record, Mapping) or len(given) != 1:
        found = "none" if not given else " and ".join(given)
        raise UserError(f"expected an object with one of {', '.join(GIVEN)}, found {found}.")
    (name,) = given
    value = record[name]
    if isinstance(value, str) != (name == "text") or not isinstance(value, str | Mapping):
        expected = "a text" if name == "text" else "an object of weights"
        raise UserError(f"{name}: expected {expected}, found {type(value).__name__}.")
    if name == "features":
        return {_column(token): weight for token, weight in record[name].items()}
    return value


def label_record(found: Prediction, names: Sequence[str]) -> dict[str, Any]:
    """Write a label, and how it came to its score if that is known.

    Args:
        found: the label.
        names: of all labels, or none.
    """
    label: dict[str, Any] = {"label": found.label, "name": found.name, "score": _rounded(found.score)}
    if found.paths:
        label["trees"] = [_path(path, names) for path in found.paths]
    return label


def to_json(record: Mapping[str, Any]) -> str:
    """Write a record; half a character, which no encoding can write, becomes its escape."""
    return json.dumps(record, ensure_ascii=False).encode("utf-8", "backslashreplace").decode()


def _column(token: str) -> int:
    if not _COLUMN.fullmatch(token):
        raise UserError(f"features: expected numbers of columns, found {short(token)}.")
    return int(token)


def _path(path: TreePath, names: Sequence[str]) -> dict[str, Any]:
    steps: dict[str, Any] = _rounded(
        {
            "meta_label": path.meta_label,
            "rank": path.rank,
            "meta": None if path.meta is None else _expanded(path.meta, ()),
            "probability": path.probability,
            "score": _expanded(path.label, names),
            "views": dict(path.views),
        }
    )
    return steps


def _expanded(step: Expanded, names: Sequence[str]) -> dict[str, Any]:
    neighbours = [asdict(neighbour) for neighbour in step.neighbours[:_MOST_NEIGHBOURS]]
    for neighbour in neighbours:
        if names:
            neighbour["name"] = names[neighbour["label"]]
    return {"own": step.own, "kept": step.kept, "score": step.score, "neighbours": neighbours}


def _rounded(value: Any) -> Any:  # noqa: ANN401 - what JSON can hold
    """Round numbers to what float32 means."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {key: _rounded(part) for key, part in value.items()}
    return [_rounded(part) for part in value] if isinstance(value, list) else value
