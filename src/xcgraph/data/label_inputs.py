"""Texts and labels as people hold them in Python: lists, NumPy and pandas columns, indicator matrices."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from numbers import Integral
from typing import Any, TypeAlias

import numpy as np
from scipy.sparse import csr_array, issparse

from xcgraph.errors import UserError

LabelId: TypeAlias = str | int


@dataclass(frozen=True)
class LabelRows:
    """The labels of some points.

    Attributes:
        rows: one list of ids per point, as strings.
        ids: all ids that the input names, in its own order: columns of an indicator matrix, else empty.
        are_integers: whether every id was an integer.
    """

    rows: list[list[str]]
    ids: tuple[str, ...] = ()
    are_integers: bool = False


def read_texts(texts: object, what: str = "texts") -> list[str]:
    """Return the texts of a list, a tuple, a NumPy array, a pandas or pyarrow column, or a generator.

    Raises:
        UserError: the input is one text or a table, or a row is no text.
    """
    if isinstance(texts, str | bytes | Mapping) or not isinstance(texts, Iterable):
        raise UserError(f"{what}: expected a list of texts, got {_kind(texts)}.")
    if getattr(texts, "ndim", 1) != 1:
        raise UserError(f"{what}: expected one column of texts, got a table; select one, such as df['text'].")
    found = list(texts)
    for row, text in enumerate(found):
        if not isinstance(text, str):
            raise UserError(
                f"{what}, row {row}: expected a text, got {_kind(text)}; fill it in or drop the row."
            )
        if not text.strip():
            raise UserError(f"{what}, row {row}: the text is empty; fill it in or drop the row.")
    return [str(text) for text in found]


def read_labels(labels: Any, what: str = "labels") -> LabelRows:  # noqa: ANN401 - any of the forms below
    """Return the labels of points in any of the forms that people use.

    A row is a list of ids (strings or integers), or a single id. A sparse matrix, a two-dimensional array of
    zeros and ones and a pandas DataFrame of such columns are indicator matrices; their columns are the
    labels.

    Args:
        labels: one row per point.
        what: name of the argument, for messages.

    Raises:
        UserError: a row is something else, an id is empty or occurs twice in a row, or the rows look like
            indicators.
    """
    if isinstance(labels, str | bytes | Mapping):
        raise UserError(f"{what}: expected one list of label ids per text, got {_kind(labels)}.")
    if issparse(labels):
        return _indicators(csr_array(labels), None, what)
    columns = getattr(labels, "columns", None)
    array = labels.to_numpy() if columns is not None else labels
    if isinstance(array, np.ndarray) and array.ndim == 2:
        if array.size and not np.isin(array, (0, 1)).all():
            raise UserError(
                f"{what}: expected a matrix of zeros and ones, got other values; give lists of ids."
            )
        return _indicators(csr_array(array.astype(np.float32)), columns, what)
    if not isinstance(labels, Iterable):
        raise UserError(f"{what}: expected one list of label ids per text, got {_kind(labels)}.")
    return _lists(list(labels), what)


def _indicators(matrix: csr_array, columns: Iterable[Any] | None, what: str) -> LabelRows:
    if len(matrix.data) and not np.isin(matrix.data, (0, 1)).all():
        raise UserError(f"{what}: expected a sparse matrix of ones, got other values.")
    matrix.eliminate_zeros()
    names = [*range(matrix.shape[1])] if columns is None else list(columns)
    ids = [_id(name, f"{what}, column {place}") for place, name in enumerate(names)]
    rows = [[ids[column] for column in row.tolist()] for row in np.split(matrix.indices, matrix.indptr[1:-1])]
    return LabelRows(rows, tuple(ids), all(isinstance(name, Integral) for name in names))


def _lists(labels: list[Any], what: str) -> LabelRows:
    _refuse_indicators(labels, what)
    rows, found = [], []
    for row, own in enumerate(labels):
        where = f"{what}, row {row}"
        is_one = isinstance(own, str | Integral) and not isinstance(own, bool)
        if not is_one and (isinstance(own, Mapping | bytes) or not isinstance(own, Iterable)):
            raise UserError(f"{where}: expected a list of label ids, got {_kind(own)}.")
        items = [own] if is_one else list(own)
        ids = [_id(item, where) for item in items]
        repeated = [label for place, label in enumerate(ids) if label in ids[:place]]
        if repeated:
            raise UserError(f"{where}: label {repeated[0]!r} occurs twice; name it once.")
        found.extend(items)
        rows.append(ids)
    return LabelRows(rows, are_integers=bool(found) and all(isinstance(item, Integral) for item in found))


def _refuse_indicators(labels: list[Any], what: str) -> None:
    """Refuse lists of zeros and ones of one length: as ids they would mean labels 0 and 1."""
    lists = [own for own in labels if isinstance(own, list | tuple | np.ndarray)]
    lengths = {len(own) for own in lists}
    if len(lists) < len(labels) or len(lengths) != 1 or lengths.pop() < 3:
        return
    values = {item for own in lists for item in list(own) if isinstance(item, Integral | float)}
    if values and values <= {0, 1} and all(isinstance(item, Integral | float) for item in list(lists[0])):
        raise UserError(
            f"{what}: the rows look like indicators of 0 and 1; give numpy.array({what}) if "
            "their columns are the labels, else one list of ids per text."
        )


def _id(item: Any, where: str) -> str:  # noqa: ANN401 - anything that users have in their lists
    if isinstance(item, str) and item.strip():
        return str(item).strip()
    is_flag = isinstance(item, bool | np.bool_)
    if isinstance(item, Integral) and not is_flag:
        return str(int(item))
    raise UserError(f"{where}: expected a label id (a text or an integer), got {item!r}.")


def read_label_texts(texts: object, rows: LabelRows, what: str = "label_texts") -> dict[str, str] | None:
    """Return the text of each label id.

    Args:
        texts: a mapping from id to text (also a pandas Series by its index), or one text per column of an
            indicator matrix, or per integer id from 0 on; None if labels have no texts but their ids.
        rows: the labels of the training points.
        what: name of the argument, for messages.

    Raises:
        UserError: a text is missing or something else than a text.
    """
    if texts is None:
        return {label: label for label in rows.ids} or None
    if hasattr(texts, "to_dict") and getattr(texts, "ndim", 0) == 1:
        texts = texts.to_dict()
    if not isinstance(texts, Mapping):
        listed = read_texts(texts, what)
        ids = rows.ids or tuple(map(str, range(len(listed))))
        if len(ids) != len(listed):
            raise UserError(f"{what}: expected one text for each of {len(ids)} labels, got {len(listed)}.")
        texts = dict(zip(ids, listed, strict=True))
    named = {_id(key, what): value for key, value in texts.items()}
    read_texts(list(named.values()), what)
    known = {str(label): str(text) for label, text in named.items()}
    missing = sorted({label for row in rows.rows for label in row} - set(known))
    if missing:
        shown = ", ".join(missing[:3])
        raise UserError(
            f"{what}: no text for {len(missing)} labels, such as {shown}; add them, or their ids as texts."
        )
    return known


def _kind(value: object) -> str:
    text = repr(value)
    return f"{type(value).__name__} {text if len(text) < 60 else text[:57] + '...'}"
