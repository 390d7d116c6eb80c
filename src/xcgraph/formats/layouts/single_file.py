"""The layout of data sets without label features, with one file a split: ``train.txt``, ``test.txt``."""

from dataclasses import dataclass
from typing import ClassVar

from xcgraph.formats.content import FolderContent
from xcgraph.formats.folder_files import FolderFiles
from xcgraph.formats.layouts.base import ReadOptions, WriteRequest
from xcgraph.formats.layouts.label_files import read_label_files, write_label_files
from xcgraph.formats.matrix_files import FileMatrix
from xcgraph.formats.sparse_text import read_points
from xcgraph.formats.write import write_points

__all__ = ["SingleFile"]


@dataclass(frozen=True)
class SingleFile:
    """Labels and sparse features of a point on one line; files of labels and tokens may be beside them."""

    name: ClassVar[str] = "single_file"
    needs: ClassVar[tuple[tuple[str, ...], ...]] = (("train.txt",), ("test.txt",))

    def read(self, files: FolderFiles, reading: ReadOptions) -> FolderContent:
        """Read the two files, and those of labels and tokens that are there."""
        (train, train_labels), (test, test_labels) = (
            [FileMatrix(matrix, path) for matrix in read_points(path, reading.cache)]
            for path in (files.need(*names) for names in self.needs)
        )
        return FolderContent(
            features=(train, test),
            labels=(train_labels, test_labels),
            **read_label_files(files, reading.cache),
        )

    def write(self, writing: WriteRequest) -> None:
        """Write everything; nothing is lost, for the files of labels and tokens are written too."""
        for name, split in (("train.txt", writing.data.train), ("test.txt", writing.data.test)):
            write_points(writing.path(name), split.features, split.labels)
        write_label_files(writing)
