"""Layout ``single_file``: one file for each split, ``train.txt`` and ``test.txt``."""

from dataclasses import dataclass
from typing import ClassVar

from xcgraph.formats.content import FolderContent
from xcgraph.formats.folder_files import FolderFiles
from xcgraph.formats.layouts.base import ReadOptions, WriteRequest
from xcgraph.formats.layouts.label_files import read_label_files, write_label_files
from xcgraph.formats.matrix_files import FileMatrix, widest
from xcgraph.formats.sparse_text import read_points
from xcgraph.formats.write import write_points

__all__ = ["SingleFile"]


@dataclass(frozen=True)
class SingleFile:
    """Labels and sparse features of a point on one line, and optional files of labels and tokens."""

    name: ClassVar[str] = "single_file"
    needs: ClassVar[tuple[tuple[str, ...], ...]] = (("train.txt",), ("test.txt",))

    def read(self, files: FolderFiles, options: ReadOptions) -> FolderContent:
        """Read the two files and the optional files."""
        splits = [
            [FileMatrix(matrix, path) for matrix in read_points(path, options.cache)]
            for path in (files.need(*names) for names in self.needs)
        ]
        (train, train_labels), (test, test_labels) = splits
        return FolderContent(
            features=(train, test),
            labels=(train_labels, test_labels),
            **read_label_files(
                files,
                options.cache,
                num_labels=widest(train_labels, test_labels),
                num_tokens=widest(train, test),
            ),
        )

    def write(self, request: WriteRequest) -> None:
        """Write the whole dataset. Reading it back gives the same dataset."""
        for name, split in (("train.txt", request.data.train), ("test.txt", request.data.test)):
            write_points(request.path(name), split.features, split.labels)
        write_label_files(request)
