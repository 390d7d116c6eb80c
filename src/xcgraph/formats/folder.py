"""A folder as it came from the Extreme Classification Repository, read whatever its layout."""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.sparse import csr_array

from xcgraph.artifacts import ArtifactStore
from xcgraph.data.text import TextFeatures
from xcgraph.data.xc_data import Split, XCData
from xcgraph.errors import UserError
from xcgraph.formats.content import Content, Count, align, count_rows, warn_of_gaps
from xcgraph.formats.filter_pairs import filter_pairs_of
from xcgraph.formats.folder_files import FolderFiles
from xcgraph.formats.layouts import all_layouts
from xcgraph.formats.layouts.base import Layout, Reading
from xcgraph.formats.matrix_files import FileMatrix, binary_labels
from xcgraph.formats.metadata_files import read_metadata

__all__ = ["find_layout", "layout_named", "read_folder"]

_log = logging.getLogger(__name__)


def read_folder(
    folder: Path,
    *,
    name: str,
    cache: ArtifactStore,
    layout: str | Layout | None,
    text: TextFeatures,
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
    content = layout.read(files, Reading(cache, text))
    align(content)
    warn_of_gaps(name, content)
    return XCData(
        name=name,
        train=_split("train", content.features[0], content.labels[0], files),
        test=_split("test", content.features[1], content.labels[1], files),
        label_features=_label_features(content),
        label_names=content.label_names.names,
        vocabulary=content.vocabulary.names,
        reader=content.reader,
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
        raise UserError(f"layout: expected one of {', '.join(by_name)}, found {name}; correct the name.")
    return by_name[name]


def _split(part: str, features: FileMatrix, labels: FileMatrix, files: FolderFiles) -> Split:
    return Split(
        features=features.matrix,
        labels=binary_labels(labels),
        filter_pairs=filter_pairs_of(part, files, labels.matrix.shape),
    )


def _row_counts(content: Content) -> dict[str, Count]:
    """Count the rows that graph metadata must have."""
    train, test = map(count_rows, content.labels)
    return {"train": train, "test": test, "labels": Count(content.labels[0].matrix.shape[1], train.source)}


def _label_features(content: Content) -> csr_array:
    if content.label_features is not None:
        return content.label_features.matrix
    return csr_array(
        (content.labels[0].matrix.shape[1], content.features[0].matrix.shape[1]), dtype=np.float32
    )
