"""The layout with features (``trn_X_Xf.txt``) and labels (``trn_X_Y.txt``) in files of their own."""

from dataclasses import dataclass
from typing import ClassVar

from xcgraph.formats.content import FolderContent
from xcgraph.formats.folder_files import FolderFiles
from xcgraph.formats.layouts.base import ReadOptions, WriteRequest
from xcgraph.formats.layouts.label_files import read_label_files, write_label_files
from xcgraph.formats.matrix_files import read_matrix
from xcgraph.formats.write import write_rows

__all__ = ["Split"]


@dataclass(frozen=True)
class Split:
    """Sparse features and labels, each file with a header; any of them may be scipy's npz instead."""

    name: ClassVar[str] = "split"
    needs: ClassVar[tuple[tuple[str, ...], ...]] = tuple(
        (f"{stem}.txt", f"{stem}.npz") for stem in ("trn_X_Xf", "trn_X_Y", "tst_X_Xf", "tst_X_Y")
    )

    def read(self, files: FolderFiles, reading: ReadOptions) -> FolderContent:
        """Read the four files, and those of labels and tokens that are there."""
        train, train_labels, test, test_labels = (files.need(*names) for names in self.needs)
        return FolderContent(
            features=(read_matrix(train, reading.cache), read_matrix(test, reading.cache)),
            labels=(
                read_matrix(train_labels, reading.cache, merge="max"),
                read_matrix(test_labels, reading.cache, merge="max"),
            ),
            **read_label_files(files, reading.cache),
        )

    def write(self, writing: WriteRequest) -> None:
        """Write everything; nothing is lost."""
        for stem, split in (("trn", writing.data.train), ("tst", writing.data.test)):
            write_rows(writing.path(f"{stem}_X_Xf.txt"), split.features)
            write_rows(writing.path(f"{stem}_X_Y.txt"), split.labels)
        write_label_files(writing)
