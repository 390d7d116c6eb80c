"""Lines in, JSON lines out: answered in their order, bad ones with what is wrong with them."""

import json
import reprlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from xcgraph.errors import UserError
from xcgraph.predict.explain import Expanded, TreePath
from xcgraph.predict.predictor import Prediction, Predictor

LONGEST_LINE = 1 << 20  # bytes; a longer line is a bad one, and is not held in memory
_LONGEST_KEY = 1000
_CHUNK = 1 << 16
_GIVEN = ("text", "tokens", "features")
_MOST_NEIGHBOURS = 5


@dataclass(frozen=True)
class Line:
    """One line of the input.

    Attributes:
        number: from 1.
        item: a text, or weights of tokens by name or column; None if the line is bad.
        key: the ``id`` that a JSON line has, if any.
        error: what is wrong with a bad line.
    """

    number: int
    item: object = None
    key: object = None
    error: str = ""


def batches_of_lines(read: Callable[[int], bytes], most: int) -> Iterator[list[bytes]]:
    """Give the lines of a stream as they come: what is there is not kept waiting for more.

    Args:
        read: reads up to so many bytes, as many as are there; nothing at the end.
        most: lines at a time.
    """
    rest = b""
    while chunk := read(_CHUNK):
        *lines, rest = (rest + chunk).split(b"\n")
        rest = rest[: LONGEST_LINE + 1]
        yield from (lines[start : start + most] for start in range(0, len(lines), most))
    if rest:
        yield [rest]


def parse_line(content: bytes, number: int, predictor: Predictor, *, is_json: bool) -> Line:
    """Read one line, or say what is wrong with it."""
    key = None
    try:
        text = _decoded(content)
        item: object = text
        if is_json:
            item, key = _parsed(text)
        predictor.inputs.check(item)
    except UserError as error:
        return Line(number, key=key, error=str(error))
    return Line(number, item, key)


def answers(
    lines: Sequence[Line], predictor: Predictor, top_k: int, *, explain: bool
) -> Iterator[dict[str, Any]]:
    """Answer lines in their order: labels for each good one, what is wrong for each bad one."""
    good = [line for line in lines if not line.error]
    found = predictor.predict([line.item for line in good], top_k, explain=explain)
    predictions = iter(found)
    for line in lines:
        answer: dict[str, Any] = {"line": line.number}
        if line.key is not None:
            answer["id"] = line.key
        if line.error:
            answer["error"] = line.error
        else:
            answer["labels"] = [_label(each, found.label_names) for each in next(predictions)]
        yield answer


def _decoded(content: bytes) -> str:
    if len(content) > LONGEST_LINE:
        raise UserError(f"expected a line of at most {LONGEST_LINE} bytes, found a longer one.")
    try:
        text = content.decode("utf-8-sig").rstrip("\r")
    except UnicodeDecodeError as error:
        raise UserError(f"expected UTF-8, found the byte 0x{content[error.start]:02x}.") from None
    if not text.strip():
        raise UserError("expected a text, found an empty line.")
    return text


def _parsed(text: str) -> tuple[object, object]:
    """Read an object with ``text``, ``tokens`` or ``features``, and perhaps ``id``; or a text alone."""
    try:
        record = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"expected JSON, found {error}.") from None
    if isinstance(record, str):
        _check_text(record)
        return record, None
    given = [name for name in _GIVEN if name in record] if isinstance(record, dict) else []
    if len(given) != 1:
        found = "none" if not given else " and ".join(given)
        raise UserError(f"expected an object with one of {', '.join(_GIVEN)}, found {found}.")
    (name,) = given
    value, key = record[name], record.get("id")
    _check_key(key)
    if isinstance(value, str) != (name == "text") or not isinstance(value, str | Mapping):
        expected = "a text" if name == "text" else "an object of weights"
        raise UserError(f"{name}: expected {expected}, found {type(value).__name__}.")
    if isinstance(value, str):
        _check_text(value)
    if name == "features":
        value = {_column(token): weight for token, weight in record[name].items()}
    return value, key


def _check_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UserError("text: expected whole characters, found half of one (a surrogate).") from None


def _check_key(key: object) -> None:
    """Refuse an ``id`` that could not be written into the answer."""
    try:
        if len(json.dumps(key, ensure_ascii=False, allow_nan=False).encode()) <= _LONGEST_KEY:
            return
    except (ValueError, RecursionError):
        pass
    raise UserError(f"id: expected JSON of at most {_LONGEST_KEY} bytes, found {reprlib.repr(key)}.")


def _column(token: str) -> int:
    try:
        return int(token)
    except ValueError:
        raise UserError(f"features: expected numbers of columns, found {reprlib.repr(token)}.") from None


def _label(found: Prediction, names: Sequence[str]) -> dict[str, Any]:
    label: dict[str, Any] = {"label": found.label, "name": found.name, "score": _rounded(found.score)}
    if found.paths:
        label["trees"] = [_path(path, names) for path in found.paths]
    return label


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
