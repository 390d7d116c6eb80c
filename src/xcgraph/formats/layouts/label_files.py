"""The files beside sparse features: features and names of labels, and the vocabulary."""

from typing import TypedDict

from xcgraph.formats.content import ColumnNames
from xcgraph.formats.folder_files import FolderFiles
from xcgraph.formats.layouts.base import WriteRequest
from xcgraph.formats.matrix_files import FileMatrix, read_matrix
from xcgraph.formats.text_lines import read_names, write_lines
from xcgraph.formats.write import write_rows
from xcgraph.storage.artifacts import ArtifactStore

__all__ = ["LABEL_TEXTS", "LabelFiles", "read_label_files", "write_label_files"]

# SiameseXML's name for the label features is the third, with npz the fourth.
_LABEL_FEATURES = ("Yf.txt", "Yf.npz", "lbl_X_Xf.txt", "lbl_X_Xf.npz")
LABEL_TEXTS = ("Y.txt", "raw/Y.txt", "raw_data/label.raw.txt")
_VOCABULARY = "Xf.txt"


class LabelFiles(TypedDict):
    """What these files say; see :class:`~xcgraph.formats.content.FolderContent`."""

    label_features: FileMatrix | None
    label_names: ColumnNames
    vocabulary: ColumnNames


def read_label_files(files: FolderFiles, cache: ArtifactStore) -> LabelFiles:
    """Read what is there of them."""
    features, names, vocabulary = (
        files.find(*_LABEL_FEATURES),
        files.find(*LABEL_TEXTS),
        files.find(_VOCABULARY),
    )
    return {
        "label_features": None if features is None else read_matrix(features, cache),
        "label_names": ColumnNames(read_names(names), names),
        "vocabulary": ColumnNames(read_names(vocabulary), vocabulary),
    }


def write_label_files(writing: WriteRequest) -> None:
    """Write all of them that the data set has something for."""
    data = writing.data
    write_rows(writing.path(_LABEL_FEATURES[0]), data.label_features)
    if data.label_names:
        write_lines(writing.path(LABEL_TEXTS[0]), data.label_names, "label names")
    if data.vocabulary:
        write_lines(writing.path(_VOCABULARY), data.vocabulary, "tokens")
