"""Read files with one JSON object on each line: the texts and the labels of points."""

import json
import re
import reprlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

from scipy.sparse import csr_array

from xcgraph.errors import UserError
from xcgraph.formats.folder_files import content_hash
from xcgraph.formats.text_lines import Decoder, numbered_lines
from xcgraph.sparse import binary_rows
from xcgraph.storage.artifacts import ArtifactStore
from xcgraph.storage.stored_csr import CsrPart, CsrWriter, open_csr

__all__ = ["JsonTexts", "read_targets"]

_RECORDS_PER_BATCH = 10_000
_LENGTH_SHOWN = 60
_MAX_RECORD_SIZE = 16 << 20  # the parsed record takes up to thirty times as much memory
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


class JsonTexts:
    """Iterates over the texts of a file of records. Each iteration reads the file again.

    Args:
        source: the file, plain or gzip.
        fields: names of the fields that make up a text, joined by spaces. A missing field adds nothing.

    Raises:
        UserError: during iteration, if the file is damaged or a record lacks all of the fields.
    """

    def __init__(self, source: Path, fields: Sequence[str]) -> None:
        self.source = source
        self._fields = tuple(fields)
        self._decoder = Decoder()

    def __iter__(self) -> Iterator[str]:
        self._decoder = Decoder()
        for number, record in _records(self.source, self._decoder):
            yield self._text(record, f"{self.source}, line {number}")

    def _text(self, record: Mapping[str, Any], place: str) -> str:
        values = [record[field] for field in self._fields if record.get(field) is not None]
        if not any(field in record for field in self._fields):
            found = ", ".join(record)[:_LENGTH_SHOWN]
            raise UserError(
                f"{place}: expected at least one of the fields {', '.join(self._fields)}, found {found}; "
                "set data.fields to fields of the file, or correct the line."
            )
        for value in values:
            if not isinstance(value, str):
                raise UserError(
                    f"{place}: expected text in the fields {', '.join(self._fields)}, found {_shown(value)}; "
                    "put the value in quotes."
                )
        # JSON can escape half of a surrogate pair, which no text file can hold.
        return _LONE_SURROGATE.sub("\N{REPLACEMENT CHARACTER}", " ".join(filter(None, values)))

    def inputs(self) -> dict[str, object]:
        """Return everything that the texts depend on, as part of a cache key."""
        return {"file": content_hash(self.source), "fields": self._fields}

    def note(self) -> str:
        """Return a warning about the last iteration, or an empty text."""
        return self._decoder.note()


def read_targets(source: Path, num_labels: int, cache: ArtifactStore) -> csr_array:
    """Read the labels of points from ``target_ind``, without those whose ``target_rel`` is 0.

    Args:
        source: the file, plain or gzip, with one record per point.
        num_labels: number of labels; ids run from 0 to one less.
        cache: store that keeps the converted labels.

    Returns:
        (points, labels) float32 ones, memory-mapped and read-only.

    Raises:
        UserError: the file is damaged, or a record has an unknown label or the same label twice.
    """

    def build(folder: Path) -> None:
        rows = (
            _targets(record, num_labels, f"{source}, line {number}")
            for number, record in _records(source, Decoder())
        )
        with CsrWriter(folder, "labels", num_labels) as writer:
            while batch := list(islice(rows, _RECORDS_PER_BATCH)):
                part = binary_rows(batch, num_labels)
                writer.append(CsrPart(part.indptr[1:], part.indices, part.data))

    # "repeats" sets these artifacts apart from older ones, in which repeated labels were merged.
    inputs = {"file": content_hash(source), "labels": num_labels, "repeats": "refused"}
    return open_csr(cache.make("json-labels", inputs, build).folder, "labels")


def _records(source: Path, decoder: Decoder) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the records of a file with their line numbers."""
    for number, line in numbered_lines(source):
        place = f"{source}, line {number}"
        if len(line) > _MAX_RECORD_SIZE:
            raise UserError(
                f"{place}: expected a record of at most {_MAX_RECORD_SIZE >> 20} MiB, found a longer line; "
                "write one record on each line."
            )
        text = decoder.decode(line, number)
        if not text.strip():
            raise UserError(
                f"{place}: expected one JSON object, found a blank line before the last record; remove the "
                'line, or write {"title": ""} for a record without text.'
            )
        try:
            record = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise UserError(
                f"{place}: expected one JSON object, found {text[:_LENGTH_SHOWN]!r} ({error}); correct the "
                "line or fetch the file again."
            ) from error
        if not isinstance(record, dict):
            raise UserError(
                f"{place}: expected one JSON object with fields, found {text[:_LENGTH_SHOWN]!r}; correct the "
                'line, such as {"title": "red apple"}.'
            )
        yield number, record


def _shown(value: object) -> str:
    """Quote a part of a record; ``repr`` could fail on nesting that the JSON parser accepts."""
    return reprlib.repr(value)


def _targets(record: Mapping[str, Any], num_labels: int, place: str) -> list[int]:
    """Return the sorted labels of a record."""
    labels = record.get("target_ind")
    if not isinstance(labels, list):
        raise UserError(
            f"{place}: expected a list of label ids in target_ind, found {_shown(labels)}; write a "
            "list such as [0, 2], or [] for a point without labels."
        )
    relevances = record.get("target_rel", [1] * len(labels))
    if not isinstance(relevances, list) or len(relevances) != len(labels):
        found = len(relevances) if isinstance(relevances, list) else _shown(relevances)
        raise UserError(
            f"{place}: expected {len(labels)} relevances in target_rel, one for each label in target_ind, "
            f"found {found}; make the lists equally long, or leave target_rel out."
        )
    for label in labels:
        if type(label) is not int or not 0 <= label < num_labels:
            raise UserError(
                f"{place}: expected labels from 0 to {num_labels - 1} in target_ind, found {_shown(label)}; "
                "correct the line, or use the file of labels that belongs to this file."
            )
    for relevance in relevances:
        if type(relevance) not in (int, float) or not relevance >= 0:
            raise UserError(
                f"{place}: expected relevances of at least 0 in target_rel, found {_shown(relevance)}; "
                "correct the line."
            )
    _refuse_repeats(labels, place)
    return sorted(label for label, relevance in zip(labels, relevances, strict=True) if relevance)


def _refuse_repeats(labels: Sequence[int], place: str) -> None:
    """Refuse a list with a repeated label; rows of 0 and 1 come from a label binarizer."""
    repeated = [label for label, following in pairwise(sorted(labels)) if label == following]
    if not repeated:
        return
    remedy = "give each id once"
    if set(labels) <= {0, 1}:
        ids = [position for position, value in enumerate(labels) if value]
        remedy = f"this looks like an indicator row; give the ids of the labels, here {_shown(ids)}"
    raise UserError(
        f"{place}: expected each label once in target_ind, found {repeated[0]} more than once; {remedy}."
    )
