"""Layout ``json``: one JSON object on each line of ``trn.json``, ``tst.json`` and ``lbl.json``."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from scipy.sparse import csr_array

from xcgraph.data.xc_data import PointTexts
from xcgraph.errors import UserError
from xcgraph.formats.content import ColumnNames, FolderContent
from xcgraph.formats.folder_files import FolderFiles
from xcgraph.formats.json_records import JsonTexts, read_targets
from xcgraph.formats.layouts.base import ReadOptions, WriteRequest, vectorize_content
from xcgraph.formats.matrix_files import FileMatrix
from xcgraph.formats.write import TextFile

__all__ = ["DEFAULT_FIELDS", "JsonLines"]

DEFAULT_FIELDS = ("title", "content")


@dataclass(frozen=True)
class JsonLines:
    """Records with the fields uid, title, content, target_ind and target_rel; labels have no targets.

    Attributes:
        fields: names of the fields that make up a text. The first one also is the name of a label. Published
            results on datasets called Titles use the title alone.

    Raises:
        UserError: there is no field.
    """

    fields: Sequence[str] = DEFAULT_FIELDS

    name: ClassVar[str] = "json"
    needs: ClassVar[tuple[tuple[str, ...], ...]] = (("trn.json",), ("tst.json",), ("lbl.json",))

    def __post_init__(self) -> None:
        if not self.fields:
            raise UserError(
                "data.fields: expected some fields such as [title, content], found an empty list; name the "
                "fields that make up a text."
            )

    def read(self, files: FolderFiles, options: ReadOptions) -> FolderContent:
        """Read the labels and vectorize the texts."""
        paths = [files.need(*names) for names in self.needs]
        *points, label = paths
        names = ColumnNames(tuple(JsonTexts(label, self.fields[:1])), label)
        train, test = (
            FileMatrix(read_targets(path, len(names.names), options.cache), path) for path in points
        )
        texts = [JsonTexts(path, self.fields) for path in paths]
        return vectorize_content(texts, (train, test), names, options)

    def point_texts(self, files: FolderFiles) -> PointTexts:
        """Return the texts of the points, without the work of vectorizing them.

        Raises:
            UserError: a file is missing.
        """
        train, test = (files.need(*names) for names in self.needs[:2])
        return PointTexts(JsonTexts(train, self.fields), JsonTexts(test, self.fields))

    def write(self, request: WriteRequest) -> None:
        """Write texts, as titles, and labels. Features are not written: they are computed from the texts.

        Raises:
            UserError: the texts of points or labels are missing.
        """
        texts, data = request.require_texts(), request.data
        for name, points, split in (("trn", texts.train, data.train), ("tst", texts.test, data.test)):
            _write_points(request.path(f"{name}.json"), points, split.labels)
        with TextFile(request.path("lbl.json")) as file:
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
