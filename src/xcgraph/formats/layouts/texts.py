"""The layout with one text a line (``trn_X.txt``) and matrices of labels (``Y.trn.npz``)."""

from dataclasses import dataclass
from typing import ClassVar

from xcgraph.formats.content import ColumnNames, FolderContent
from xcgraph.formats.folder_files import FolderFiles
from xcgraph.formats.layouts.base import ReadOptions, WriteRequest, content_from_texts
from xcgraph.formats.layouts.label_files import LABEL_TEXTS
from xcgraph.formats.matrix_files import read_matrix
from xcgraph.formats.text_lines import TextLines, read_names, write_lines
from xcgraph.storage.artifacts import save_csr

__all__ = ["Texts"]


@dataclass(frozen=True)
class Texts:
    """Texts of points and labels beside label matrices, as GalaXC, Renée, DEXML and OAK have it."""

    name: ClassVar[str] = "texts"
    needs: ClassVar[tuple[tuple[str, ...], ...]] = (
        ("trn_X.txt", "raw/trn_X.txt", "raw_data/train.raw.txt"),
        ("tst_X.txt", "raw/tst_X.txt", "raw_data/test.raw.txt"),
        LABEL_TEXTS,
        ("Y.trn.npz", "trn_X_Y.npz", "trn_X_Y.txt"),
        ("Y.tst.npz", "tst_X_Y.npz", "tst_X_Y.txt"),
    )

    def read(self, files: FolderFiles, reading: ReadOptions) -> FolderContent:
        """Weigh the tokens of the texts, and read the labels."""
        *texts, train_labels, test_labels = (files.need(*names) for names in self.needs)
        names = ColumnNames(read_names(texts[2]), texts[2])
        labels = (
            read_matrix(train_labels, reading.cache, merge="max"),
            read_matrix(test_labels, reading.cache, merge="max"),
        )
        return content_from_texts([TextLines(path) for path in texts], labels, names, reading)

    def write(self, writing: WriteRequest) -> None:
        """Write texts and labels; token weights are made of the texts again when they are read.

        Raises:
            UserError: there are no texts of points or labels, or one has a line break.
        """
        texts, data = writing.need_texts(), writing.data
        write_lines(writing.path("trn_X.txt"), texts.train, "texts")
        write_lines(writing.path("tst_X.txt"), texts.test, "texts")
        write_lines(writing.path("Y.txt"), data.label_names, "label names")
        save_csr(writing.folder / "Y.trn.npz", data.train.labels)
        save_csr(writing.folder / "Y.tst.npz", data.test.labels)
