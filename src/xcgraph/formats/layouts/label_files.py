"""Read and write the optional files beside sparse features: label features, label names, vocabulary."""

from typing import TypedDict

from xcgraph.formats.content import ColumnNames
from xcgraph.formats.folder_files import FolderFiles
from xcgraph.formats.layouts.base import WriteRequest
from xcgraph.formats.matrix_files import FileMatrix, read_matrix
from xcgraph.formats.text_lines import read_names, write_lines
from xcgraph.formats.write import write_rows
from xcgraph.storage.artifacts import ArtifactStore

__all__ = ["LABEL_TEXTS", "LabelFiles", "read_label_files", "write_label_files"]

# The repository uses the first name, SiameseXML the third; each may also be an npz file.
_LABEL_FEATURES = ("Yf.txt", "Yf.npz", "lbl_X_Xf.txt", "lbl_X_Xf.npz")
LABEL_TEXTS = ("Y.txt", "raw/Y.txt", "raw_data/label.raw.txt")
_VOCABULARY = "Xf.txt"


class LabelFiles(TypedDict):
    """The content of these files, as fields of :class:`~xcgraph.formats.content.FolderContent`."""

    label_features: FileMatrix | None
    label_names: ColumnNames
    vocabulary: ColumnNames


def read_label_files(
    files: FolderFiles, cache: ArtifactStore, *, num_labels: int, num_tokens: int
) -> LabelFiles:
    """Read the optional files that the folder has.

    Args:
        files: the folder.
        cache: store that keeps the converted label features.
        num_labels: number of labels in the label matrices.
        num_tokens: number of tokens in the features of the points.
    """
    features, names, vocabulary = (
        files.find(*_LABEL_FEATURES),
        files.find(*LABEL_TEXTS),
        files.find(_VOCABULARY),
    )
    return {
        "label_features": None if features is None else read_matrix(features, cache),
        "label_names": ColumnNames(read_names(names, num_labels), names),
        "vocabulary": ColumnNames(read_names(vocabulary, num_tokens), vocabulary),
    }


def write_label_files(request: WriteRequest) -> None:
    """Write the files for which the dataset has content."""
    data = request.data
    write_rows(request.path(_LABEL_FEATURES[0]), data.label_features)
    if data.label_names:
        write_lines(request.path(LABEL_TEXTS[0]), data.label_names, "label names")
    if data.vocabulary:
        write_lines(request.path(_VOCABULARY), data.vocabulary, "tokens")
