"""Build a data set from texts and labels in memory, such as the columns of a table."""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
from scipy.sparse import csr_array, issparse

from xcgraph.data.xc_data import NO_PAIRS, Split, XCData
from xcgraph.errors import UserError
from xcgraph.sparse import binary_rows
from xcgraph.text.vectorizer import Vectorizer, WordVectorizer

_log = logging.getLogger(__name__)

_MATRIX_REMEDY = "pass an indicator matrix as a 2-D numpy array or a scipy sparse array"


@dataclass(frozen=True)
class LabelledTexts:
    """The points of one split, for example two columns of a pandas table.

    Nothing is checked until :func:`from_texts` reads the points.

    Attributes:
        texts: one text per point.
        labels: one list per point, which may be empty. It holds names of labels, or their positions in the
            list of label texts. Alternatively an indicator matrix of shape (points, labels): a 2-D numpy
            array or a scipy sparse matrix of 0 and 1, such as a label binarizer returns.
    """

    texts: Iterable[object]
    labels: Iterable[object]


def from_texts(
    train: LabelledTexts,
    test: LabelledTexts,
    *,
    name: str,
    label_texts: Iterable[object] | Mapping[str, object] | None = None,
    text: Vectorizer | None = None,
    propensity_a: float = 0.55,
    propensity_b: float = 1.5,
) -> XCData:
    """Build a data set from texts; :func:`~xcgraph.formats.folder.write_folder` can store it.

    If labels are names, columns are in the order of the sorted names. The names of the training points and
    of ``label_texts`` become labels. Other names of test points are dropped with a warning, because no
    training point has them.

    Args:
        train: training points. The validation points are held out from them later.
        test: test points. They affect neither the vocabulary nor the set of labels.
        name: name of the data set in reports.
        label_texts: if labels are numbers or an indicator matrix, a list with the text of each label. If
            labels are names, a mapping from names to texts; a name without a text is its own text.
        text: vectorizer for all texts; None uses words.
        propensity_a: A of the propensity model (Jain et al., KDD'16).
        propensity_b: B of the same model.

    Raises:
        UserError: the numbers of texts and labels differ, or a text or a label has a wrong type or value.
    """
    ids: tuple[str, ...] = ()
    if label_texts is None or isinstance(label_texts, Mapping):
        known = label_texts or {}
        points = {"train": _Points.read(train, "train"), "test": _Points.read(test, "test")}
        columns = _columns_of_names(points, known)
        ids = tuple(columns)
        names = _check_texts((known.get(label, label) for label in ids), "label_texts")
    else:
        names = _check_texts(label_texts, "label_texts")
        count = len(names)
        points = {"train": _Points.read(train, "train", count), "test": _Points.read(test, "test", count)}
        columns = _columns_of_numbers(points, count)
    vectorizer = WordVectorizer() if text is None else text
    vectorized = vectorizer.fit_transform(points["train"].texts, points["test"].texts, label_texts=names)
    return XCData(
        name=name,
        train=points["train"].split(vectorized.train, columns),
        test=points["test"].split(vectorized.test, columns),
        label_features=vectorized.labels,
        label_names=tuple(names),
        label_ids=ids,
        vocabulary=vectorized.vocabulary,
        vectorizer=vectorized.vectorizer,
        propensity_a=propensity_a,
        propensity_b=propensity_b,
    )


@dataclass(frozen=True)
class _Points:
    """Texts of one split, and their labels as lists or as an indicator matrix.

    Attributes:
        texts: one text per point.
        labels: one list of labels per point; no lists if there is a matrix.
        matrix: (points, labels) float32 ones, or None if labels are lists.
    """

    texts: list[str]
    labels: list[list[Any]]
    matrix: csr_array | None = None

    @classmethod
    def read(cls, points: LabelledTexts, part: str, num_labels: int | None = None) -> "_Points":
        """Read one split; ``num_labels`` is None if labels are names."""
        texts = _check_texts(points.texts, part)
        if _is_indicator_matrix(points.labels, num_labels):
            matrix = _read_matrix(points.labels, part, num_labels)
            count, lists = matrix.shape[0], list[list[Any]]()
        else:
            matrix, lists = None, _check_lists(points.labels, part)
            count = len(lists)
        if len(texts) != count:
            raise UserError(
                f"{part}: expected one list or row of labels for each of {len(texts)} texts, found {count} "
                "of them; pass texts and labels in the same order."
            )
        return cls(texts, lists, matrix)

    def split(self, features: csr_array, columns: Mapping[Any, int]) -> Split:
        """Return the points with their labels as columns; labels without a column are dropped."""
        if self.matrix is not None:
            return Split(features, self.matrix, NO_PAIRS)
        rows = [sorted(columns[label] for label in own if label in columns) for own in self.labels]
        return Split(features, binary_rows(rows, len(columns)), NO_PAIRS)


def _is_indicator_matrix(labels: object, num_labels: int | None) -> bool:
    """Return whether labels are a matrix of 0 and 1, not an array with a row of ids for each point.

    Integers other than 0 and 1 are ids. A single column of integers is ids too, unless there is one label.
    """
    if issparse(labels):
        return True
    if not isinstance(labels, np.ndarray) or labels.ndim != 2 or labels.dtype.kind not in "buif":
        return False
    if labels.dtype.kind in "ui" and labels.shape[1] == 1 and num_labels != 1:
        return False
    return labels.dtype.kind in "bf" or bool(np.isin(labels, (0, 1)).all())


def _read_matrix(labels: Any, part: str, num_labels: int | None) -> csr_array:  # noqa: ANN401 - numpy or scipy
    if num_labels is None:
        raise UserError(
            f"{part}: found an indicator matrix of labels without a list of label_texts; pass label_texts "
            "with the text of each column."
        )
    if labels.shape[1] != num_labels:
        raise UserError(
            f"{part}: expected an indicator matrix with {num_labels} columns, one for each of label_texts, "
            f"found shape {labels.shape}; pass one text per column, or pass a list of label ids per point."
        )
    matrix = csr_array(labels).astype(np.float32)
    matrix.sum_duplicates()
    matrix.eliminate_zeros()
    other = matrix.data[matrix.data != 1]
    if len(other):
        raise UserError(
            f"{part}: expected an indicator matrix of 0 and 1, found {other[0]:g}; set it to 1, or pass a "
            "list of label ids per point."
        )
    return matrix


def _columns_of_names(points: Mapping[str, _Points], known: Iterable[str]) -> dict[Any, int]:
    _check_labels(points, "the name of a label", "; for numbers, pass a list of label_texts", _is_text)
    names = {str(label) for own in points["train"].labels for label in own} | set(known)
    unknown = {label for own in points["test"].labels for label in own} - names
    if unknown:
        _log.warning("Dropping %d labels of test points that no training point has.", len(unknown))
    return {name: column for column, name in enumerate(sorted(names))}


def _columns_of_numbers(points: Mapping[str, _Points], count: int) -> dict[Any, int]:
    columns: dict[Any, int] = {number: number for number in range(count)}
    _refuse_indicator_lists(points, count)
    _check_labels(
        points,
        f"a number from 0 to {count - 1}, the position of a label in label_texts",
        "; correct the label",
        lambda label: not isinstance(label, bool) and isinstance(label, Integral) and label in columns,
    )
    return columns


def _refuse_indicator_lists(points: Mapping[str, _Points], count: int) -> None:
    """Refuse lists that all hold one 0 or 1 per label: read as ids, they would mean labels 0 and 1."""
    lists = [
        (part, row, own)
        for part, split in points.items()
        if split.matrix is None
        for row, own in enumerate(split.labels)
    ]
    if count < 2 or not lists:
        return
    if all(len(own) == count and all(_is_binary(label) for label in own) for _, _, own in lists):
        part, row, own = lists[0]
        values = ", ".join(map(str, own[:10])) + (", …" if len(own) > 10 else "")
        raise UserError(
            f"{part}, row {row}: expected a list of label ids, found [{values}], which looks like a row of "
            f"an indicator matrix; {_MATRIX_REMEDY}."
        )


def _is_text(label: object) -> bool:
    return isinstance(label, str)


def _is_binary(label: object) -> bool:
    return isinstance(label, int | float | np.generic) and label in (0, 1)


def _check_texts(texts: Iterable[object], source: str) -> list[str]:
    checked = []
    for row, text in enumerate(texts):
        if not isinstance(text, str):
            raise UserError(
                f"{source}, row {row}: expected a text, found {text!r}; fill it in or drop the row."
            )
        checked.append(text)
    return checked


def _check_lists(labels: Iterable[object], part: str) -> list[list[Any]]:
    checked = []
    for row, own in enumerate(labels):
        if isinstance(own, str) or not isinstance(own, Iterable):
            raise UserError(
                f"{part}, row {row}: expected a list of labels, found {own!r}; write a list, such as "
                f"[{own!r}]."
            )
        # tolist gives plain integers, which error messages show without the name of their type.
        is_array = isinstance(own, np.ndarray)
        checked.append(np.atleast_1d(np.asarray(own)).tolist() if is_array else list(own))
    return checked


def _check_labels(
    points: Mapping[str, _Points], expected: str, remedy: str, is_label: Callable[[Any], bool]
) -> None:
    """Refuse labels of another type or value, and labels that a point has twice."""
    for part, split in points.items():
        for row, own in enumerate(split.labels):
            for label in own:
                if not is_label(label):
                    raise UserError(f"{part}, row {row}: expected {expected}, found {label!r}{remedy}.")
            if len(set(own)) < len(own):
                repeated = next(label for place, label in enumerate(own) if label in own[:place])
                hint = "" if isinstance(repeated, str) else f". For rows of 0 and 1, {_MATRIX_REMEDY}"
                raise UserError(
                    f"{part}, row {row}: expected each label once, found label {repeated!r} twice; remove "
                    f"the repetition{hint}."
                )
