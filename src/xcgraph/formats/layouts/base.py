"""What all layouts have in common."""

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


@dataclass(frozen=True)
class ReadOptions:
    """How a folder is read.

    Attributes:
        cache: where converted files are kept.
        text: how texts become token weights, in layouts that have texts.
    """

    cache: ArtifactStore
    text: Vectorizer


@dataclass(frozen=True)
class WriteRequest:
    """What is written, and where.

    Attributes:
        data: the data set.
        texts: the texts of its points, or None where a layout needs none.
        folder: the folder, which is there.
        ending: of text files, empty or ``.gz``.
    """

    data: XCData
    texts: PointTexts | None
    folder: Path
    ending: str

    def path(self, name: str) -> Path:
        """Return the path of a text file."""
        return self.folder / f"{name}{self.ending}"

    def need_texts(self) -> PointTexts:
        """Return the texts of the points, which are counted while they are gone through.

        Raises:
            UserError: there are none, or labels have no names; while they are gone through, there are more
                or fewer than points.
        """
        if self.texts is None or not self.data.label_names:
            missing = "texts of its points" if self.texts is None else "names of its labels"
            raise UserError(
                f"{self.data.name}: expected the {missing} for a layout of texts, found none; give them "
                "(texts=PointTexts(train, test), label_names) or choose the layout split or single_file."
            )
        return PointTexts(
            train=_counted(self.texts.train, len(self.data.train), "training points"),
            test=_counted(self.texts.test, len(self.data.test), "test points"),
        )


@runtime_checkable
class Layout(Protocol):
    """A set of files that make up a data set, and how they are read and written.

    Attributes:
        name: what the layout is called, as ``layout=NAME`` takes it.
        needs: for each file that must be there, the names that it may have.
    """

    name: ClassVar[str]
    needs: ClassVar[tuple[tuple[str, ...], ...]]

    def read(self, files: FolderFiles, reading: ReadOptions) -> FolderContent:
        """Read what the files say; whether they belong together is checked by the caller.

        Raises:
            UserError: a file is damaged.
        """

    def write(self, writing: WriteRequest) -> None:
        """Write the files that the layout needs, and those that lose nothing by being there.

        Raises:
            UserError: the data set lacks something that the layout needs, or has what it cannot hold.
        """


def _counted(texts: Iterable[str], expected: int, what: str) -> Iterator[str]:
    found = 0
    for found, text in enumerate(texts, start=1):
        if found > expected:
            break
        yield text
    if found != expected:
        more = "more" if found > expected else str(found)
        raise UserError(
            f"Expected texts of {expected} {what}, found {more}; give one for each point, in their order."
        )


def content_from_texts(
    texts: Sequence[TextSource],
    labels: tuple[FileMatrix, FileMatrix],
    names: ColumnNames,
    reading: ReadOptions,
) -> FolderContent:
    """Weigh the tokens of texts; test texts shape neither the vocabulary nor the weights.

    Args:
        texts: those of the training points, the test points and the labels.
        labels: those of the training and of the test points.
        names: the names of the labels.
        reading: how texts become token weights, and where these are kept.
    """
    train, test, label = texts
    weighed = read_features({"train": train, "test": test, "labels": label}, reading.text, reading.cache)
    return FolderContent(
        features=(FileMatrix(weighed.train, train.source), FileMatrix(weighed.test, test.source)),
        labels=labels,
        label_features=FileMatrix(weighed.labels, label.source),
        label_names=names,
        vocabulary=ColumnNames(weighed.vocabulary),
        vectorizer=weighed.vectorizer,
    )
