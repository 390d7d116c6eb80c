"""Read and write the folder of a dataset, in any layout of the Extreme Classification Repository."""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.sparse import csr_array

from xcgraph.data.xc_data import PointTexts, Split, XCData
from xcgraph.errors import UserError
from xcgraph.formats.content import FolderContent, SourcedCount, align, count_rows, warn_of_gaps
from xcgraph.formats.filter_pairs import filter_pairs_of, write_filter_pairs
from xcgraph.formats.folder_files import FolderFiles
from xcgraph.formats.layouts import all_layouts
from xcgraph.formats.layouts.base import Layout, ReadOptions, WriteRequest
from xcgraph.formats.layouts.json_lines import JsonLines
from xcgraph.formats.layouts.texts import Texts
from xcgraph.formats.matrix_files import FileMatrix, binary_labels
from xcgraph.formats.metadata_files import read_metadata, write_metadata
from xcgraph.storage.artifacts import ArtifactStore
from xcgraph.text.vectorizer import Vectorizer

__all__ = ["find_layout", "find_point_texts", "layout_named", "read_folder", "write_folder"]

_log = logging.getLogger(__name__)


def find_layout(folder: Path, name: str | None = None, layouts: Sequence[Layout] | None = None) -> Layout:
    """Return the layout of a folder.

    Args:
        folder: the folder.
        name: name of the layout; None finds the first layout whose files are in the folder. Layouts with
            sparse features come before layouts with texts.
        layouts: layouts to choose from; None means all.

    Raises:
        UserError: the folder does not exist, the name is unknown, or no layout has all its files there.
    """
    files, layouts = FolderFiles(folder), all_layouts() if layouts is None else layouts
    if name is not None:
        return layout_named(name, layouts)
    for layout in layouts:
        if all(files.find(*names) for names in layout.needs):
            return layout
    choices = "; ".join(
        f"{', '.join(names[0] for names in layout.needs)} ({layout.name})" for layout in layouts
    )
    raise UserError(
        f"{files.folder}: expected the files of a dataset, plain or .gz, one of these sets: {choices}; found "
        f"{files.listing()}; add the missing files or correct the path."
    )


def layout_named(name: str, layouts: Sequence[Layout] | None = None) -> Layout:
    """Return the layout with this name.

    Raises:
        UserError: the name is unknown.
    """
    by_name = {layout.name: layout for layout in (all_layouts() if layouts is None else layouts)}
    if name not in by_name:
        remedy = "the layout old is called single_file now" if name == "old" else "choose one of these names"
        raise UserError(f"layout: expected one of {', '.join(by_name)}, found {name}; {remedy}.")
    return by_name[name]


def read_folder(
    folder: Path,
    *,
    name: str,
    cache: ArtifactStore,
    layout: str | Layout | None,
    text: Vectorizer,
    propensity_a: float,
    propensity_b: float,
) -> XCData:
    """Read a dataset.

    Besides the files of its layout, the folder may contain filter pairs (``filter_labels_train.txt`` or
    ``trn_filter_labels.txt``, and the same for test) and graph metadata (``NAME_trn_X_Y.txt`` and so on).
    Every text file may be compressed with gzip.

    Args:
        folder: the folder; ``~`` stands for the user's home.
        name: name of the dataset in reports.
        cache: store of converted files; features and labels stay there and are memory-mapped.
        layout: the layout or its name; None finds the layout by the names of the files.
        text: vectorizer for layouts that have texts.
        propensity_a: A of the propensity model (Jain et al., KDD'16), a constant of the dataset.
        propensity_b: B of the same model.

    Raises:
        UserError: the folder does not exist, a file is missing or damaged, or files do not belong together.
    """
    files = FolderFiles(folder)
    if not isinstance(layout, Layout):
        layout = find_layout(folder, layout)
    _log.info("%s: layout %s.", files.folder, layout.name)
    content = layout.read(files, ReadOptions(cache, text))
    align(content)
    warn_of_gaps(name, content)
    return XCData(
        name=name,
        train=_split("train", content.features[0], content.labels[0], files),
        test=_split("test", content.features[1], content.labels[1], files),
        label_features=_label_features(content),
        label_names=content.label_names.names,
        vocabulary=content.vocabulary.names,
        vectorizer=content.vectorizer,
        metadata=read_metadata(files, cache, _row_counts(content)),
        propensity_a=propensity_a,
        propensity_b=propensity_b,
    )


def _split(part: str, features: FileMatrix, labels: FileMatrix, files: FolderFiles) -> Split:
    return Split(
        features=features.matrix,
        labels=binary_labels(labels),
        filter_pairs=filter_pairs_of(part, files, labels.matrix.shape),
    )


def _label_features(content: FolderContent) -> csr_array:
    if content.label_features is not None:
        return content.label_features.matrix
    return csr_array(
        (content.labels[0].matrix.shape[1], content.features[0].matrix.shape[1]), dtype=np.float32
    )


def _row_counts(content: FolderContent) -> dict[str, SourcedCount]:
    """Return the numbers of rows that graph metadata must have."""
    train, test = map(count_rows, content.labels)
    return {
        "train": train,
        "test": test,
        "labels": SourcedCount(content.labels[0].matrix.shape[1], train.source),
    }


def find_point_texts(folder: Path, layout: str | None = None) -> PointTexts | None:
    """Return the texts of the points, or None if the layout has only features.

    Each iteration over the texts reads the files again.

    Args:
        folder: the folder.
        layout: name of the layout; None finds the layout by the names of the files.

    Raises:
        UserError: the folder does not exist, the name of the layout is unknown, or a file is missing.
    """
    files, found = FolderFiles(folder), find_layout(folder, layout)
    return found.point_texts(files) if isinstance(found, JsonLines | Texts) else None


def write_folder(
    data: XCData, folder: Path, layout: str, *, texts: PointTexts | None = None, compress: bool = False
) -> None:
    """Write a dataset in one of the layouts, with its filter pairs and graph metadata.

    ``split`` and ``single_file`` hold the whole dataset: reading it back gives the same fingerprint.
    ``json`` and ``texts`` hold texts instead of features, and need the texts of the points. Reading them
    back gives the same fingerprint if the same vectorizer made the features from these texts and label
    names. Each file appears when it is complete, one after the other.

    Args:
        data: the dataset.
        folder: where to write; a new or an empty folder.
        layout: ``split``, ``single_file``, ``json`` or ``texts``.
        texts: texts of the points, for ``json`` and ``texts``.
        compress: whether to compress text files with gzip, as ``NAME.gz``.

    Raises:
        UserError: the folder is not empty, the layout is unknown, or the layout cannot hold the data.
    """
    chosen = layout_named(layout)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        found = "files in it" if folder.is_dir() else "a file"
        raise UserError(f"{folder}: expected a new or an empty folder, found {found}; choose another folder.")
    folder.mkdir(parents=True, exist_ok=True)
    ending = ".gz" if compress else ""
    chosen.write(WriteRequest(data, texts, folder, ending))
    for part, split in (("train", data.train), ("test", data.test)):
        write_filter_pairs(part, folder, ending, split)
    write_metadata(folder, ending, data.metadata)
