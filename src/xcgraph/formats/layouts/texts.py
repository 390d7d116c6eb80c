"""Layout ``texts``: one text on each line (``trn_X.txt``), and label matrices (``Y.trn.npz``)."""

from dataclasses import dataclass
from typing import ClassVar

from xcgraph.data.xc_data import PointTexts
from xcgraph.formats.content import ColumnNames, FolderContent
from xcgraph.formats.folder_files import FolderFiles
from xcgraph.formats.layouts.base import ReadOptions, WriteRequest, vectorize_content
from xcgraph.formats.layouts.label_files import LABEL_TEXTS
from xcgraph.formats.matrix_files import read_matrix, read_num_rows, widest
from xcgraph.formats.text_lines import TextLines, read_names, write_lines
from xcgraph.storage.artifacts import save_csr

__all__ = ["Texts"]


@dataclass(frozen=True)
class Texts:
    """Texts of points and labels beside label matrices, as in the data of GalaXC, Renée, DEXML and OAK."""

    name: ClassVar[str] = "texts"
    needs: ClassVar[tuple[tuple[str, ...], ...]] = (
        ("trn_X.txt", "raw/trn_X.txt", "raw_data/train.raw.txt"),
        ("tst_X.txt", "raw/tst_X.txt", "raw_data/test.raw.txt"),
        LABEL_TEXTS,
        ("Y.trn.npz", "trn_X_Y.npz", "trn_X_Y.txt"),
        ("Y.tst.npz", "tst_X_Y.npz", "tst_X_Y.txt"),
    )

    def read(self, files: FolderFiles, options: ReadOptions) -> FolderContent:
        """Read the labels and vectorize the texts."""
        train, test, label, *label_paths = (files.need(*names) for names in self.needs)
        train_labels, test_labels = (read_matrix(path, options.cache, merge="max") for path in label_paths)
        num_labels = widest(train_labels, test_labels)
        texts = [
            TextLines(train, train_labels.matrix.shape[0]),
            TextLines(test, test_labels.matrix.shape[0]),
            TextLines(label, num_labels),
        ]
        names = ColumnNames(read_names(label, num_labels), label)
        return vectorize_content(texts, (train_labels, test_labels), names, options)

    def point_texts(self, files: FolderFiles) -> PointTexts:
        """Return the texts of the points, without the work of vectorizing them.

        Raises:
            UserError: a file is missing, or a label matrix is damaged.
        """
        train, test, _, *label_paths = (files.need(*names) for names in self.needs)
        num_train, num_test = map(read_num_rows, label_paths)
        return PointTexts(TextLines(train, num_train), TextLines(test, num_test))

    def write(self, request: WriteRequest) -> None:
        """Write texts and labels. Features are not written: they are computed from the texts.

        Raises:
            UserError: the texts of points or labels are missing, or one contains a line break.
        """
        texts, data = request.require_texts(), request.data
        write_lines(request.path("trn_X.txt"), texts.train, "texts")
        write_lines(request.path("tst_X.txt"), texts.test, "texts")
        write_lines(request.path("Y.txt"), data.label_names, "label names")
        save_csr(request.folder / "Y.trn.npz", data.train.labels)
        save_csr(request.folder / "Y.tst.npz", data.test.labels)
