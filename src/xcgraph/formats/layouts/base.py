"""The interface of a layout, and the steps that several layouts share."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol, runtime_checkable

from xcgraph.data.xc_data import PointTexts, XCData
from xcgraph.errors import UserError
from xcgraph.formats.content import ColumnNames, FolderContent
from xcgraph.formats.folder_files import FolderFiles
from xcgraph.formats.matrix_files import FileMatrix
from xcgraph.formats.text_store import TextSource, read_features
from xcgraph.storage.artifacts import ArtifactStore
from xcgraph.text.vectorizer import Vectorizer

__all__ = ["Layout", "ReadOptions", "WriteRequest", "vectorize_content"]


@dataclass(frozen=True)
class ReadOptions:
    """How to read a folder.

    Attributes:
        cache: store that keeps converted files.
        text: vectorizer for layouts that have texts.
    """

    cache: ArtifactStore
    text: Vectorizer


@dataclass(frozen=True)
class WriteRequest:
    """What to write, and where.

    Attributes:
        data: the dataset.
        texts: texts of its points; None if they are not known.
        folder: an existing folder.
        ending: ending that is appended to the names of text files, ``.gz`` or empty.
    """

    data: XCData
    texts: PointTexts | None
    folder: Path
    ending: str

    def path(self, name: str) -> Path:
        """Return the path of a text file."""
        return self.folder / f"{name}{self.ending}"

    def require_texts(self) -> PointTexts:
        """Return the texts of the points. Iterating over them checks their number.

        Raises:
            UserError: the texts of the points or the names of the labels are missing; or, during iteration,
                the number of texts differs from the number of points.
        """
        if self.texts is None or not self.data.label_names:
            missing = "texts of its points" if self.texts is None else "names of its labels"
            raise UserError(
                f"{self.data.name}: expected the {missing} for a layout of texts, found only sparse "
                "features; give texts=PointTexts(train, test) and label_names, or choose the layout split or "
                "single_file."
            )
        return PointTexts(
            train=_check_count(self.texts.train, len(self.data.train), f"{self.data.name}, training points"),
            test=_check_count(self.texts.test, len(self.data.test), f"{self.data.name}, test points"),
        )


@runtime_checkable
class Layout(Protocol):
    """A set of files that makes up a dataset, and how to read and write them.

    Attributes:
        name: name of the layout, as in ``layout=NAME``.
        needs: required files; for each of them, the names that it may have.
    """

    name: ClassVar[str]
    needs: ClassVar[tuple[tuple[str, ...], ...]]

    def read(self, files: FolderFiles, options: ReadOptions) -> FolderContent:
        """Read the files. The caller checks that they belong together.

        Raises:
            UserError: a file is missing or damaged.
        """

    def write(self, request: WriteRequest) -> None:
        """Write the required files, and all optional files for which the dataset has content.

        Raises:
            UserError: the dataset lacks something that the layout needs, or has something that it cannot
                hold.
        """


def vectorize_content(
    texts: Sequence[TextSource],
    labels: tuple[FileMatrix, FileMatrix],
    names: ColumnNames,
    options: ReadOptions,
) -> FolderContent:
    """Vectorize texts. The vectorizer is fitted on training points and labels, never on test points.

    Args:
        texts: texts of the training points, the test points and the labels.
        labels: (points, labels) of the training and the test points.
        names: names of the labels.
        options: the vectorizer, and the store that keeps its result.
    """
    train, test, label = texts
    found = read_features({"train": train, "test": test, "labels": label}, options.text, options.cache)
    return FolderContent(
        features=(FileMatrix(found.train, train.source), FileMatrix(found.test, test.source)),
        labels=labels,
        label_features=FileMatrix(found.labels, label.source),
        label_names=names,
        vocabulary=ColumnNames(found.vocabulary),
        vectorizer=found.vectorizer,
    )


def _check_count(texts: Iterable[str], expected: int, place: str) -> Iterator[str]:
    """Yield texts, and raise an error at the end if their number is wrong."""
    found = 0
    for found, text in enumerate(texts, start=1):
        if found > expected:
            break
        yield text
    if found != expected:
        raise UserError(
            f"{place}: expected {expected} texts, found {'more' if found > expected else found}; give one "
            "text for each point, in the order of the points."
        )
