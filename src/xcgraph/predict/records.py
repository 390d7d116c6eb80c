"""Reads points from JSON and writes labels to JSON, for lines in the shell and for HTTP bodies alike."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from reprlib import repr as short
from typing import Any

from xcgraph.errors import UserError
from xcgraph.predict.explain import Expanded, TreePath
from xcgraph.predict.predictor import Prediction, Predictions

INPUT_KEYS = ("text", "tokens", "features")
_MAX_NEIGHBOURS = 5
_MAX_KEYS = 5
_COLUMN = re.compile("0|[1-9][0-9]{0,17}")  # no leading zeros: two keys never name the same column


def read_record(record: object) -> object:
    """Return the input that a JSON value describes.

    Args:
        record: a text, or an object with exactly one of ``text``, ``tokens`` and ``features``.

    Returns:
        A text, or weights by name or column, for :meth:`~xcgraph.predict.predictor.Predictor.predict`.

    Raises:
        UserError: ``record`` is something else.
    """
    if isinstance(record, str):
        return record
    allowed = f"expected a text or an object with one of {', '.join(INPUT_KEYS)}"
    if not isinstance(record, Mapping):
        raise UserError(f"{allowed}, found {short(record)}.")
    present = [name for name in INPUT_KEYS if name in record]
    if not present:
        keys = ", ".join(short(key) for key in list(record)[:_MAX_KEYS])
        raise UserError(f"{allowed}, found {f'the keys {keys}' if keys else 'an empty object'}.")
    if len(present) > 1:
        raise UserError(f"{allowed}, found {' and '.join(present)}.")
    (name,) = present
    value = record[name]
    if isinstance(value, str) != (name == "text") or not isinstance(value, str | Mapping):
        expected = "a text" if name == "text" else "an object of weights"
        raise UserError(f"{name}: expected {expected}, found {short(value)}.")
    if name == "features":
        return {_column(token): weight for token, weight in record[name].items()}
    return value


def point_record(predictions: Predictions, point: int, top_k: int | None = None) -> dict[str, Any]:
    """Return the JSON object of one point: whether it has a known token, and its labels.

    Args:
        predictions: labels of several points.
        point: position of the point.
        top_k: maximum number of labels; None for all.
    """
    labels = [label_record(each, predictions.label_names) for each in predictions[point][:top_k]]
    return {"known": bool(predictions.known[point]), "labels": labels}


def label_record(prediction: Prediction, names: Sequence[str]) -> dict[str, Any]:
    """Return the JSON object of one label, with the explanation of its score if there is one.

    Args:
        prediction: the label.
        names: names of all labels of the dataset, or empty.
    """
    label: dict[str, Any] = {
        "label": prediction.label,
        "id": prediction.id,
        "name": prediction.name,
        "score": _rounded(prediction.score),
    }
    if prediction.probability is not None:
        label["probability"] = _rounded(prediction.probability)
    if prediction.paths:
        label["trees"] = [_path(path, names) for path in prediction.paths]
    return label


def to_json(record: Mapping[str, Any]) -> str:
    """Return a record as JSON text; a lone surrogate, which UTF-8 cannot encode, is escaped."""
    return json.dumps(record, ensure_ascii=False).encode("utf-8", "backslashreplace").decode()


def _column(token: str) -> int:
    if not _COLUMN.fullmatch(token):
        raise UserError(f"features: expected column numbers as keys, found {short(token)}.")
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
    neighbours = [asdict(neighbour) for neighbour in step.neighbours[:_MAX_NEIGHBOURS]]
    for neighbour in neighbours:
        if names:
            neighbour["name"] = names[neighbour["label"]]
    return {"own": step.own, "kept": step.kept, "score": step.score, "neighbours": neighbours}


def _rounded(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Round numbers to six digits, the precision of float32."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {key: _rounded(part) for key, part in value.items()}
    return [_rounded(part) for part in value] if isinstance(value, list) else value
