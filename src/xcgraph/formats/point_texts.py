"""The texts of a folder's points, for layouts that hold texts; a data set in memory has features alone."""

from pathlib import Path

from xcgraph.data.xc_data import PointTexts
from xcgraph.formats.folder import find_layout
from xcgraph.formats.folder_files import FolderFiles
from xcgraph.formats.json_records import JsonTexts
from xcgraph.formats.layouts.json_lines import JsonLines
from xcgraph.formats.layouts.texts import Texts
from xcgraph.formats.text_lines import TextLines

__all__ = ["find_point_texts"]


def find_point_texts(folder: Path, layout: str | None = None) -> PointTexts | None:
    """Give the texts of the points, read from the files at every iteration; None where there are none.

    Args:
        folder: the folder.
        layout: its layout; None takes the one whose files are there.

    Raises:
        UserError: there is no such folder or layout, or a file is missing.
    """
    files, found = FolderFiles(folder), find_layout(folder, layout)
    if not isinstance(found, JsonLines | Texts):
        return None
    train, test = (files.need(*names) for names in found.needs[:2])
    if isinstance(found, JsonLines):
        return PointTexts(JsonTexts(train, found.fields), JsonTexts(test, found.fields))
    return PointTexts(TextLines(train), TextLines(test))
