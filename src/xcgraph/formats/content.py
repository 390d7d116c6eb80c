"""What a layout finds in a folder, and the checks that its parts belong together."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array

from xcgraph.errors import UserError
from xcgraph.formats.matrix_files import FileMatrix
from xcgraph.text.fitted_vectorizer import FittedVectorizer

__all__ = [
    "ColumnNames",
    "FolderContent",
    "SourcedCount",
    "align",
    "align_columns",
    "compare",
    "count_rows",
    "warn_of_gaps",
]

_log = logging.getLogger(__name__)

# A few bytes can declare any number of columns, for each of which memory is taken later.
_ALWAYS_PLAUSIBLE = 10_000_000
_LEAST_SHARE = 10


@dataclass(frozen=True)
class ColumnNames:
    """Names of columns, one a line.

    Attributes:
        names: one per column, or empty.
        source: the file, or None where there is none.
    """

    names: tuple[str, ...] = ()
    source: Path | None = None


@dataclass(frozen=True, kw_only=True)
class FolderContent:
    """The matrices and names of a folder, each with the file that it came from.

    Attributes:
        features: (points, tokens) of the training and of the test points.
        labels: (points, labels) of the same.
        label_features: (labels, tokens), or None where labels have no text.
        label_names: one per label, or none.
        vocabulary: one per token, or none.
        vectorizer: of further texts; None where features come from a file.
    """

    features: tuple[FileMatrix, FileMatrix]
    labels: tuple[FileMatrix, FileMatrix]
    label_features: FileMatrix | None = None
    label_names: ColumnNames = ColumnNames()
    vocabulary: ColumnNames = ColumnNames()
    vectorizer: FittedVectorizer | None = None


class SourcedCount(NamedTuple):
    """How many points, labels or tokens there are, and the file that says so.

    Attributes:
        number: how many.
        source: the file.
        spare: whether a data set is whole without the file.
    """

    number: int
    source: Path
    spare: bool = False


def align(content: FolderContent) -> None:
    """Check that rows and columns agree, and widen what scipy stored too narrow.

    The header of a text file says how many columns there are. An npz file may know no more than its largest
    column: where others say that there are more, the rest of its columns is empty.

    Raises:
        UserError: two files differ in their points, labels or tokens.
    """
    for features, labels in zip(content.features, content.labels, strict=True):
        compare("points", count_rows(features), count_rows(labels))
    texts = [] if content.label_features is None else [content.label_features]
    align_columns("tokens", [*content.features, *texts], _count_names(content.vocabulary))
    names = _count_names(content.label_names)
    align_columns("labels", content.labels, [*map(count_rows, texts), *names])


def compare(what: str, expected: SourcedCount, found: SourcedCount) -> None:
    """Compare what two files say of the number of points, labels or tokens.

    Raises:
        UserError: they differ.
    """
    if found.number != expected.number:
        more = f", or remove {found.source.name}, which may be missing" if found.spare else ""
        raise UserError(
            f"{found.source}: expected {expected.number} {what}, as {expected.source.name} has, found "
            f"{found.number}; take files of one version of one data set{more}."
        )


def count_rows(file: FileMatrix) -> SourcedCount:
    """Count the rows of a matrix."""
    return SourcedCount(file.matrix.shape[0], file.source)


def _count_names(names: ColumnNames) -> list[SourcedCount]:
    return [] if names.source is None else [SourcedCount(len(names.names), names.source, spare=True)]


def align_columns(what: str, matrices: Sequence[FileMatrix], counts: Sequence[SourcedCount]) -> None:
    """Check that matrices have equally many columns, or widen what scipy stored too narrow.

    Args:
        what: what the columns are, for messages.
        matrices: widened in place where they are npz files.
        counts: numbers of columns that other files tell.

    Raises:
        UserError: two files differ.
    """
    columns = [SourcedCount(matrix.shape[1], source) for matrix, source in matrices]
    certain = [*(count for count in columns if count.source.suffix != ".npz"), *counts]
    expected = certain[0] if certain else max(columns)
    entries = sum(matrix.nnz for matrix, _ in matrices)
    if expected.number > max(_ALWAYS_PLAUSIBLE, _LEAST_SHARE * entries):
        raise UserError(
            f"{expected.source}: expected fewer {what} where there are {entries} entries, found "
            f"{expected.number}; correct the file's first line or its shape."
        )
    for count in certain:
        compare(what, expected, count)
    for count, (matrix, _) in zip(columns, matrices, strict=True):
        if count.number > expected.number:
            compare(what, expected, count)
        if count.number < expected.number:
            _log.warning(
                "%s has %d %s, %s has %d: the others are taken to be empty.",
                count.source, count.number, what, expected.source, expected.number,
            )  # fmt: skip
            matrix.resize((matrix.shape[0], expected.number))


def warn_of_gaps(name: str, content: FolderContent) -> None:
    """Count points without features or labels, and labels without text: one warning per split."""
    for split, features, labels in zip(("training", "test"), content.features, content.labels, strict=True):
        gaps = [_gap(features.matrix, "tokens"), _gap(labels.matrix, "labels")]
        if any(gaps):
            found = " and ".join(filter(None, gaps))
            _log.warning("%s: of %d %s points, %s.", name, features.matrix.shape[0], split, found)
    if content.label_features is None:
        _log.warning(
            "%s: labels have no text, for there is no Yf.txt or lbl_X_Xf.txt: what is made of it is empty.",
            name,
        )
    elif gap := _gap(content.label_features.matrix, "tokens"):
        _log.warning("%s: of %d labels, %s.", name, content.label_features.matrix.shape[0], gap)


def _gap(matrix: csr_array, what: str) -> str:
    empty = np.flatnonzero(np.diff(matrix.indptr) == 0)
    return f"{len(empty)} have no {what} (the first is {empty[0]}, from 0)" if len(empty) else ""
