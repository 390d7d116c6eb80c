"""A folder as it came from the Extreme Classification Repository, read whatever its layout."""

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
from xcgraph.formats.json_records import JsonTexts
from xcgraph.formats.layouts import all_layouts
from xcgraph.formats.layouts.base import Layout, ReadOptions, WriteRequest
from xcgraph.formats.layouts.json_lines import JsonLines
from xcgraph.formats.layouts.texts import Texts
from xcgraph.formats.matrix_files import FileMatrix, binary_labels
from xcgraph.formats.metadata_files import read_metadata, write_metadata
from xcgraph.formats.text_lines import TextLines
from xcgraph.storage.artifacts import ArtifactStore
from xcgraph.text.vectorizer import Vectorizer

_log = logging.getLogger(__name__)


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
    """Read a data set.

    Besides the files of its layout, the folder may have filter pairs (``filter_labels_train.txt`` or
    ``trn_filter_labels.txt``, and for test) and graph metadata (``NAME_trn_X_Y.txt`` and the like). Every
    file may be gzip.

    Args:
        folder: the folder; ``~`` stands for the user's home.
        name: the data set's name, as reports print it.
        cache: where converted files are kept; features and labels stay there and are memory-mapped.
        layout: the layout or its name; None takes the one whose files are there.
        text: how texts become token weights, in layouts that have texts.
        propensity_a: A of the propensity model (Jain et al., KDD'16), a constant of the data set.
        propensity_b: B of the same model.

    Raises:
        UserError: there is no such folder, a file is missing or damaged, or files do not belong together.
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


def find_layout(folder: Path, name: str | None = None, layouts: Sequence[Layout] | None = None) -> Layout:
    """Find out which layout a folder has.

    Args:
        folder: the folder.
        name: the layout to take; None takes the first whose files are there, and sparse features win over
            texts.
        layouts: those to choose from; None stands for all.

    Raises:
        UserError: there is no such folder or layout, or the files of none are there.
    """
    files, layouts = FolderFiles(folder), all_layouts() if layouts is None else layouts
    if name is not None:
        return layout_named(name, layouts)
    for layout in layouts:
        if all(files.find(*names) for names in layout.needs):
            return layout
    would_do = "; ".join(
        f"{', '.join(names[0] for names in layout.needs)} ({layout.name})" for layout in layouts
    )
    raise UserError(
        f"{files.folder}: expected the files of a data set, plain or .gz, one of these sets: {would_do}; "
        f"found {files.listing()}; add what is missing or correct the path."
    )


def layout_named(name: str, layouts: Sequence[Layout] | None = None) -> Layout:
    """Return the layout of this name.

    Raises:
        UserError: there is none.
    """
    by_name = {layout.name: layout for layout in (all_layouts() if layouts is None else layouts)}
    if name not in by_name:
        remedy = "the layout old is called single_file now" if name == "old" else "correct the name"
        raise UserError(f"layout: expected one of {', '.join(by_name)}, found {name}; {remedy}.")
    return by_name[name]


def _split(part: str, features: FileMatrix, labels: FileMatrix, files: FolderFiles) -> Split:
    return Split(
        features=features.matrix,
        labels=binary_labels(labels),
        filter_pairs=filter_pairs_of(part, files, labels.matrix.shape),
    )


def _row_counts(content: FolderContent) -> dict[str, SourcedCount]:
    """Count the rows that graph metadata must have."""
    train, test = map(count_rows, content.labels)
    return {
        "train": train,
        "test": test,
        "labels": SourcedCount(content.labels[0].matrix.shape[1], train.source),
    }


def _label_features(content: FolderContent) -> csr_array:
    if content.label_features is not None:
        return content.label_features.matrix
    return csr_array(
        (content.labels[0].matrix.shape[1], content.features[0].matrix.shape[1]), dtype=np.float32
    )


def write_folder(
    data: XCData, folder: Path, layout: str, *, texts: PointTexts | None = None, compress: bool = False
) -> None:
    """Write a data set in one of the layouts, with its filter pairs and graph metadata.

    ``split`` and ``single_file`` hold all there is: what is read back has the same fingerprint. ``json`` and
    ``texts`` hold texts in place of features, so that the texts of the points have to be given; what is read
    back has the same fingerprint if the features were made of these texts, and of the label names, by the
    same ``text``. Each file appears when it is complete, but the folder fills up one by one.

    Args:
        data: the data set.
        folder: where to write; made if it does not exist, and has to be empty.
        layout: ``split``, ``single_file``, ``json`` or ``texts``.
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
    chosen.write(WriteRequest(data, texts, folder, ending))
    for part, split in (("train", data.train), ("test", data.test)):
        write_filter_pairs(part, folder, ending, split)
    write_metadata(folder, ending, data.metadata)


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
