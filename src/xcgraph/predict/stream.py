"""Turns a stream of lines into JSON answers, in order; a bad line is answered with its error."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from reprlib import repr as short
from typing import Any

from xcgraph.errors import UserError
from xcgraph.predict.predictor import Predictor
from xcgraph.predict.records import point_record, read_record

LONGEST_LINE = 1 << 20  # bytes; a longer line is refused, and never held in memory as a whole
_MAX_ID = 1000  # bytes of JSON
_CHUNK = 1 << 16


@dataclass(frozen=True)
class Line:
    """One line of the input.

    Attributes:
        number: line number, from 1.
        item: a text, or weights of tokens by name or column; None if the line is bad.
        key: the ``id`` of a JSON line, if it has one.
        error: why the line is bad; empty if it is good.
    """

    number: int
    item: object = None
    key: object = None
    error: str = ""


def batches_of_lines(read: Callable[[int], bytes], max_lines: int) -> Iterator[list[bytes]]:
    """Yield the lines of a stream in batches, as soon as they are available.

    Args:
        read: reads up to the requested number of bytes, as many as are available, and none at the end.
        max_lines: maximum number of lines in a batch.
    """
    rest = b""
    while chunk := read(_CHUNK):
        *lines, rest = (rest + chunk).split(b"\n")
        rest = rest[: LONGEST_LINE + 1]
        yield from (lines[start : start + max_lines] for start in range(0, len(lines), max_lines))
    if rest:
        yield [rest]


def parse_line(content: bytes, number: int, predictor: Predictor, *, is_json: bool) -> Line:
    """Return one line as an input of the predictor, or with its error."""
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
    """Yield the answer to each line, in order: labels for a good line, the error for a bad one."""
    good = [line for line in lines if not line.error]
    predictions = predictor.predict([line.item for line in good], top_k, explain=explain)
    points = iter(range(len(good)))
    for line in lines:
        answer: dict[str, Any] = {"line": line.number}
        if line.key is not None:
            answer["id"] = line.key
        yield answer | ({"error": line.error} if line.error else point_record(predictions, next(points)))


def _decoded(content: bytes) -> str:
    if len(content) > LONGEST_LINE:
        raise UserError(f"expected a line of at most {LONGEST_LINE} bytes, found a longer one.")
    try:
        text = content.decode("utf-8-sig").rstrip("\r")
    except UnicodeDecodeError as error:
        raise UserError(f"expected text in UTF-8, found the byte 0x{content[error.start]:02x}.") from None
    if not text.strip():
        raise UserError("expected a text, found an empty line.")
    if "\0" in text:
        raise UserError("expected text in UTF-8, found a NUL byte; convert UTF-16 to UTF-8 first.")
    return text


def _parsed(text: str) -> tuple[object, object]:
    """Return the input that a JSON line describes, and the ``id`` of an object or None."""
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
        if len(json.dumps(key, ensure_ascii=False, allow_nan=False).encode()) <= _MAX_ID:
            return
    except (ValueError, RecursionError):
        pass
    raise UserError(f"id: expected JSON of at most {_MAX_ID} bytes, found {short(key)}.")
