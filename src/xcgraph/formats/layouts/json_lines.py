"""The raw layout: a JSON object a line with text and labels, ``trn.json``, ``tst.json``, ``lbl.json``."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from scipy.sparse import csr_array

from xcgraph.errors import UserError
from xcgraph.formats.content import ColumnNames, FolderContent
from xcgraph.formats.folder_files import FolderFiles
from xcgraph.formats.json_records import JsonTexts, read_targets
from xcgraph.formats.layouts.base import ReadOptions, WriteRequest, content_from_texts
from xcgraph.formats.matrix_files import FileMatrix
from xcgraph.formats.write import TextFile

__all__ = ["DEFAULT_FIELDS", "JsonLines"]

DEFAULT_FIELDS = ("title", "content")


@dataclass(frozen=True)
class JsonLines:
    """Records with the fields uid, title, content, target_ind, target_rel; those of labels have no targets.

    Attributes:
        fields: whose values make up a text; the first one is a label's name. The published numbers on data
            sets named Titles are of the title alone.

    Raises:
        UserError: no field.
    """

    fields: Sequence[str] = DEFAULT_FIELDS

    name: ClassVar[str] = "json"
    needs: ClassVar[tuple[tuple[str, ...], ...]] = (("trn.json",), ("tst.json",), ("lbl.json",))

    def __post_init__(self) -> None:
        if not self.fields:
            raise UserError(
                "data.fields: expected some fields such as [title, content], found none; name them."
            )

    def read(self, files: FolderFiles, reading: ReadOptions) -> FolderContent:
        """Weigh the tokens of the texts, and read the labels."""
        paths = [files.need(*names) for names in self.needs]
        *points, label = paths
        names = ColumnNames(tuple(JsonTexts(label, self.fields[:1])), label)
        train, test = (
            FileMatrix(read_targets(path, len(names.names), reading.cache), path) for path in points
        )
        return content_from_texts(
            [JsonTexts(path, self.fields) for path in paths], (train, test), names, reading
        )

    def write(self, writing: WriteRequest) -> None:
        """Write texts as titles, and labels; token weights are made of the texts again when they are read.

        Raises:
            UserError: there are no texts of points or labels.
        """
        texts, data = writing.need_texts(), writing.data
        for name, points, split in (("trn", texts.train, data.train), ("tst", texts.test, data.test)):
            _write_points(writing.path(f"{name}.json"), points, split.labels)
        with TextFile(writing.path("lbl.json")) as file:
            for number, text in enumerate(data.label_names):
                file.write(_line(uid=str(number), title=text, content=""))


def _write_points(path: Path, texts: Iterable[str], labels: csr_array) -> None:
    with TextFile(path) as file:
        for number, text in enumerate(texts):
            targets = labels.indices[labels.indptr[number] : labels.indptr[number + 1]].tolist()
            file.write(
                _line(
                    uid=str(number),
                    title=text,
                    content="",
                    target_ind=targets,
                    target_rel=[1.0] * len(targets),
                )
            )


def _line(**record: object) -> bytes:
    return f"{json.dumps(record, ensure_ascii=False)}\n".encode()
