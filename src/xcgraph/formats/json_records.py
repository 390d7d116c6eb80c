"""Records in files of one JSON object a line: texts, and the labels of points."""

import json
import re
import reprlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
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

_BATCH = 10_000
_LENGTH_SHOWN = 60
_LONGEST_RECORD = 16 << 20  # what is read of it takes up to thirty times as much memory
_HALF_CHARACTER = re.compile("[\ud800-\udfff]")


class JsonTexts:
    """The texts of a file of records; every iteration reads the file anew.

    Args:
        source: the file, plain or gzip.
        fields: whose values make up a text, with blanks between them; one that is missing adds nothing.

    Raises:
        UserError: while iterating, the file is damaged, or a record has none of the fields.
    """

    def __init__(self, source: Path, fields: Sequence[str]) -> None:
        self.source = source
        self._fields = tuple(fields)
        self._decoder = Decoder()

    def __iter__(self) -> Iterator[str]:
        self._decoder = Decoder()
        for number, record in _records(self.source, self._decoder):
            yield self._text(record, f"{self.source}, line {number}")

    def _text(self, record: Mapping[str, Any], where: str) -> str:
        values = [record[field] for field in self._fields if record.get(field) is not None]
        if not any(field in record for field in self._fields):
            found = ", ".join(record)[:_LENGTH_SHOWN]
            raise UserError(
                f"{where}: expected some of the fields {', '.join(self._fields)}, found {found}; "
                "name others (data.fields) or correct the line."
            )
        for value in values:
            if not isinstance(value, str):
                raise UserError(
                    f"{where}: expected text in the fields {', '.join(self._fields)}, found {_shown(value)}; "
                    "correct the line."
                )
        # Half of a character can be written in JSON, but in no file.
        return _HALF_CHARACTER.sub("\N{REPLACEMENT CHARACTER}", " ".join(filter(None, values)))

    def inputs(self) -> dict[str, object]:
        """Describe all that the texts depend on."""
        return {"file": content_hash(self.source), "fields": self._fields}

    def note(self) -> str:
        """Say what was odd in the last iteration, if anything."""
        return self._decoder.note()


def read_targets(source: Path, num_labels: int, cache: ArtifactStore) -> csr_array:
    """Read the labels of points, ``target_ind``, except those with a relevance of 0 in ``target_rel``.

    Args:
        source: the file, plain or gzip, a record a point.
        num_labels: labels are numbered from 0 to one less.
        cache: where the converted labels are kept.

    Returns:
        (points, labels) float32 ones, memory-mapped and read-only.

    Raises:
        UserError: the file is damaged, or a record names labels that are not there.
    """

    def build(folder: Path) -> None:
        rows = (
            _targets(record, num_labels, f"{source}, line {number}")
            for number, record in _records(source, Decoder())
        )
        with CsrWriter(folder, "labels", num_labels) as writer:
            while batch := list(islice(rows, _BATCH)):
                part = binary_rows(batch, num_labels)
                writer.append(CsrPart(part.indptr[1:], part.indices, part.data))

    inputs = {"file": content_hash(source), "labels": num_labels}
    return open_csr(cache.make("json-labels", inputs, build).folder, "labels")


def _records(source: Path, decoder: Decoder) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in numbered_lines(source):
        if len(line) > _LONGEST_RECORD:
            raise UserError(
                f"{source}, line {number}: expected a record of at most {_LONGEST_RECORD >> 20} MiB, found a "
                "longer line; write one record a line."
            )
        text = decoder.decode(line, number)
        try:
            record = json.loads(text)
        except (ValueError, RecursionError) as error:
            found = f"found {text[:_LENGTH_SHOWN]!r} ({error})" if text.strip() else "found a blank line"
            raise UserError(
                f"{source}, line {number}: expected one JSON object, {found}; correct the line or fetch the "
                "file anew."
            ) from error
        if not isinstance(record, dict):
            raise UserError(
                f"{source}, line {number}: expected one JSON object with fields, found "
                f"{text[:_LENGTH_SHOWN]!r}; correct the line."
            )
        yield number, record


def _shown(value: object) -> str:
    """Quote a part of a record; nesting that JSON still bears may be too deep for ``repr``."""
    return reprlib.repr(value)


def _targets(record: Mapping[str, Any], num_labels: int, where: str) -> list[int]:
    """Give a record's labels, sorted and each once."""
    labels = record.get("target_ind")
    if not isinstance(labels, list):
        raise UserError(
            f"{where}: expected a list of labels in target_ind, found {_shown(labels)}; correct the line."
        )
    relevances = record.get("target_rel", [1] * len(labels))
    if not isinstance(relevances, list) or len(relevances) != len(labels):
        found = len(relevances) if isinstance(relevances, list) else _shown(relevances)
        raise UserError(
            f"{where}: expected {len(labels)} relevances in target_rel, one for each of target_ind, "
            f"found {found}; correct the line."
        )
    for label in labels:
        if type(label) is not int or not 0 <= label < num_labels:
            raise UserError(
                f"{where}: expected labels from 0 to {num_labels - 1} in target_ind, found {_shown(label)}; "
                "correct the line or take the file of labels that belongs to it."
            )
    for relevance in relevances:
        if type(relevance) not in (int, float) or not relevance >= 0:
            raise UserError(
                f"{where}: expected relevances ≥ 0 in target_rel, found {_shown(relevance)}; "
                "correct the line."
            )
    return sorted({label for label, relevance in zip(labels, relevances, strict=True) if relevance})
