"""Lines in, JSON lines out: answered in their order, bad ones with what is wrong with them."""

import json
import reprlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from xcgraph.errors import UserError
from xcgraph.predict.predictor import Predictor
from xcgraph.predict.records import label_record, read_record

LONGEST_LINE = 1 << 20  # bytes; a longer line is a bad one, and is not held in memory
_LONGEST_KEY = 1000
_CHUNK = 1 << 16


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
            answer["labels"] = [label_record(each, found.label_names) for each in next(predictions)]
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
    """Read a point, and the ``id`` that an object may have."""
    try:
        record = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"expected JSON, found {error}.") from None
    key = record.get("id") if isinstance(record, dict) else None
    _check_key(key)
    return read_record(record), key


def _check_key(key: object) -> None:
    """Refuse an ``id`` that could not be written into the answer."""
    try:
        if len(json.dumps(key, ensure_ascii=False, allow_nan=False).encode()) <= _LONGEST_KEY:
            return
    except (ValueError, RecursionError):
        pass
    raise UserError(f"id: expected JSON of at most {_LONGEST_KEY} bytes, found {reprlib.repr(key)}.")
