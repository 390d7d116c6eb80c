"""The content of a folder as its layout reads it, and checks that the files belong together."""

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

# A header of a few bytes can declare any number of columns, and each column takes memory later.
_ALWAYS_PLAUSIBLE = 10_000_000
_MAX_COLUMNS_PER_ENTRY = 10


@dataclass(frozen=True)
class ColumnNames:
    """Names of the columns of a matrix.

    Attributes:
        names: one name per column, or an empty tuple.
        source: the file with the names, or None if there is no such file.
    """

    names: tuple[str, ...] = ()
    source: Path | None = None


@dataclass(frozen=True, kw_only=True)
class FolderContent:
    """The matrices and names of a folder, each with the file that it was read from.

    Attributes:
        features: (points, tokens) of the training points and of the test points.
        labels: (points, labels) of the training points and of the test points.
        label_features: (labels, tokens), or None if labels have no text.
        label_names: one name per label, or an empty tuple.
        vocabulary: one token per column of the features, or an empty tuple.
        vectorizer: vectorizer for new texts; None if the features come from a file.
    """

    features: tuple[FileMatrix, FileMatrix]
    labels: tuple[FileMatrix, FileMatrix]
    label_features: FileMatrix | None = None
    label_names: ColumnNames = ColumnNames()
    vocabulary: ColumnNames = ColumnNames()
    vectorizer: FittedVectorizer | None = None


class SourcedCount(NamedTuple):
    """A number of points, labels or tokens, and the file that it was read from.

    Attributes:
        number: the number.
        source: the file.
        is_optional: whether a dataset is complete without the file.
    """

    number: int
    source: Path
    is_optional: bool = False


def align(content: FolderContent) -> None:
    """Check that rows and columns agree, and widen matrices that SciPy stored with too few columns.

    The header of a text file gives the exact number of columns. The shape in an npz file may end at the
    largest column that has an entry. If other files have more columns, the missing ones are empty.

    Raises:
        UserError: two files disagree on the number of points, labels or tokens.
    """
    for features, labels in zip(content.features, content.labels, strict=True):
        compare("points", count_rows(features), count_rows(labels))
    texts = [] if content.label_features is None else [content.label_features]
    align_columns("tokens", [*content.features, *texts], _count_names(content.vocabulary))
    names = _count_names(content.label_names)
    align_columns("labels", content.labels, [*map(count_rows, texts), *names])


def compare(kind: str, expected: SourcedCount, found: SourcedCount) -> None:
    """Check that two files have the same number of points, labels or tokens.

    Args:
        kind: what is counted, for the error message.
        expected: the number in the first file.
        found: the number in the second file.

    Raises:
        UserError: the numbers differ.
    """
    if found.number != expected.number:
        more = f", or remove the optional file {found.source.name}" if found.is_optional else ""
        raise UserError(
            f"{found.source}: expected {expected.number} {kind}, as in {expected.source.name}, found "
            f"{found.number}; use files of the same version of one dataset{more}."
        )


def count_rows(file: FileMatrix) -> SourcedCount:
    """Count the rows of a matrix."""
    return SourcedCount(file.matrix.shape[0], file.source)


def _count_names(names: ColumnNames) -> list[SourcedCount]:
    return [] if names.source is None else [SourcedCount(len(names.names), names.source, is_optional=True)]


def align_columns(kind: str, matrices: Sequence[FileMatrix], counts: Sequence[SourcedCount]) -> None:
    """Check that matrices have the same number of columns, and widen npz matrices that have too few.

    Args:
        kind: what the columns are, for messages.
        matrices: the matrices; those from npz files are widened in place.
        counts: numbers of columns that other files declare.

    Raises:
        UserError: two files disagree, or a file declares far more columns than there are entries.
    """
    columns = [SourcedCount(matrix.shape[1], source) for matrix, source in matrices]
    certain = [*(count for count in columns if count.source.suffix != ".npz"), *counts]
    expected = certain[0] if certain else max(columns)
    entries = sum(matrix.nnz for matrix, _ in matrices)
    if expected.number > max(_ALWAYS_PLAUSIBLE, _MAX_COLUMNS_PER_ENTRY * entries):
        raise UserError(
            f"{expected.source}: expected fewer {kind} for {entries} entries, found {expected.number}; "
            "correct the first line of the file, or the shape of the matrix."
        )
    for count in certain:
        compare(kind, expected, count)
    for count, (matrix, _) in zip(columns, matrices, strict=True):
        if count.number > expected.number:
            compare(kind, expected, count)
        if count.number < expected.number:
            _log.warning(
                "%s has %d %s, %s has %d: the missing ones are read as empty.",
                count.source, count.number, kind, expected.source, expected.number,
            )  # fmt: skip
            matrix.resize((matrix.shape[0], expected.number))


def warn_of_gaps(name: str, content: FolderContent) -> None:
    """Log warnings about points without features or labels, one for each split, and labels without text."""
    for split, features, labels in zip(("training", "test"), content.features, content.labels, strict=True):
        gaps = [_gap(features.matrix, "tokens"), _gap(labels.matrix, "labels")]
        if any(gaps):
            found = " and ".join(filter(None, gaps))
            _log.warning("%s: of %d %s points, %s.", name, features.matrix.shape[0], split, found)
    if content.label_features is None:
        _log.warning(
            "%s: labels have no text because the folder has no Yf.txt or lbl_X_Xf.txt; their features are "
            "empty.",
            name,
        )
    elif gap := _gap(content.label_features.matrix, "tokens"):
        _log.warning("%s: of %d labels, %s.", name, content.label_features.matrix.shape[0], gap)


def _gap(matrix: csr_array, kind: str) -> str:
    empty = np.flatnonzero(np.diff(matrix.indptr) == 0)
    return f"{len(empty)} have no {kind} (first: row {empty[0]}, counted from 0)" if len(empty) else ""
