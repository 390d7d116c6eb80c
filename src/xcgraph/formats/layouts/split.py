"""Layout ``split``: features (``trn_X_Xf.txt``) and labels (``trn_X_Y.txt``) in separate files."""

from dataclasses import dataclass
from typing import ClassVar

from xcgraph.formats.content import FolderContent
from xcgraph.formats.folder_files import FolderFiles
from xcgraph.formats.layouts.base import ReadOptions, WriteRequest
from xcgraph.formats.layouts.label_files import read_label_files, write_label_files
from xcgraph.formats.matrix_files import read_matrix, widest
from xcgraph.formats.write import write_rows

__all__ = ["Split"]


@dataclass(frozen=True)
class Split:
    """Sparse features and labels, each in a text file with a header or in an npz file of SciPy."""

    name: ClassVar[str] = "split"
    needs: ClassVar[tuple[tuple[str, ...], ...]] = tuple(
        (f"{stem}.txt", f"{stem}.npz") for stem in ("trn_X_Xf", "trn_X_Y", "tst_X_Xf", "tst_X_Y")
    )

    def read(self, files: FolderFiles, options: ReadOptions) -> FolderContent:
        """Read the four files and the optional files."""
        paths = [files.need(*names) for names in self.needs]
        train, test = (read_matrix(path, options.cache) for path in paths[0::2])
        train_labels, test_labels = (read_matrix(path, options.cache, merge="max") for path in paths[1::2])
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
        for stem, split in (("trn", request.data.train), ("tst", request.data.test)):
            write_rows(request.path(f"{stem}_X_Xf.txt"), split.features)
            write_rows(request.path(f"{stem}_X_Y.txt"), split.labels)
        write_label_files(request)
