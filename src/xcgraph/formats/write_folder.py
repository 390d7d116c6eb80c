"""A data set as a folder of files that this and other tools read."""

from pathlib import Path

from xcgraph.data.xc_data import PointTexts, XCData
from xcgraph.errors import UserError
from xcgraph.formats.filter_pairs import write_filter_pairs
from xcgraph.formats.folder import layout_named
from xcgraph.formats.layouts.base import Writing
from xcgraph.formats.metadata_files import write_metadata

__all__ = ["PointTexts", "write_folder"]


def write_folder(
    data: XCData, folder: Path, layout: str, *, texts: PointTexts | None = None, compress: bool = False
) -> None:
    """Write a data set in one of the layouts, with its filter pairs and graph metadata.

    ``split`` and ``old`` hold all there is: what is read back has the same fingerprint. ``json`` and
    ``texts`` hold texts in place of features, so that the texts of the points have to be given; what is read
    back has the same fingerprint if the features were made of these texts, and of the label names, by the
    same ``text``. Each file appears when it is complete, but the folder fills up one by one.

    Args:
        data: the data set.
        folder: where to write; made if it does not exist, and has to be empty.
        layout: ``split``, ``old``, ``json`` or ``texts``.
        texts: the texts of the points, for ``json`` and ``texts``.
        compress: whether text files become gzip, ``NAME.gz``.

    Raises:
        UserError: the folder is not empty, there is no such layout, or the layout cannot hold the data.
    """
    chosen = layout_named(layout)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder}: expected a new or an empty folder, found files; choose another.")
    folder.mkdir(parents=True, exist_ok=True)
    ending = ".gz" if compress else ""
    chosen.write(Writing(data, texts, folder, ending))
    for part, split in (("train", data.train), ("test", data.test)):
        write_filter_pairs(part, folder, ending, split)
    write_metadata(folder, ending, data.metadata)
