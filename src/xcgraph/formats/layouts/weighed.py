"""Content out of texts: what the layouts without sparse features share."""

from collections.abc import Sequence

from xcgraph.formats.content import Content, Names
from xcgraph.formats.layouts.base import Reading
from xcgraph.formats.matrix_files import FileMatrix
from xcgraph.formats.text_store import TextSource, read_features

__all__ = ["weighed_content"]


def weighed_content(
    texts: Sequence[TextSource], labels: tuple[FileMatrix, FileMatrix], names: Names, reading: Reading
) -> Content:
    """Weigh the tokens of texts; test texts shape neither the vocabulary nor the weights.

    Args:
        texts: those of the training points, the test points and the labels.
        labels: those of the training and of the test points.
        names: the names of the labels.
        reading: how texts become token weights, and where these are kept.
    """
    train, test, label = texts
    weighed = read_features({"train": train, "test": test, "labels": label}, reading.text, reading.cache)
    return Content(
        features=(FileMatrix(weighed.train, train.source), FileMatrix(weighed.test, test.source)),
        labels=labels,
        label_features=FileMatrix(weighed.labels, label.source),
        label_names=names,
        vocabulary=Names(weighed.vocabulary),
        reader=weighed.reader,
    )
