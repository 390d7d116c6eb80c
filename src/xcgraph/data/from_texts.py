"""A data set out of texts and lists of labels in memory, such as the columns of a table."""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from numbers import Integral
from typing import Any

from scipy.sparse import csr_array

from xcgraph.data.xc_data import NO_PAIRS, Split, XCData
from xcgraph.errors import UserError
from xcgraph.sparse import binary_rows
from xcgraph.text.vectorizer import Vectorizer, WordVectorizer

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LabelledTexts:
    """The points of one split; columns of a pandas table will do. What is in them is checked when it is used.

    Attributes:
        texts: one text per point.
        labels: a list per point, which may be empty: names of labels, or their places in the list of label
            texts.
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
    """Make a data set; :func:`~xcgraph.formats.folder.write_folder` stores it.

    Labels that are names get columns in the order of their names. They are those of the training points and
    of ``label_texts``; others that a test point has are dropped with a warning, for nothing can be learned
    of them.

    Args:
        train: training points; validation points are taken from them later.
        test: test points; they shape neither the vocabulary nor the set of labels.
        name: the data set's name, as reports print it.
        label_texts: where labels are numbers, the text of each label. Where they are names, texts of some or
            all of them; a name that has no text is its own text.
        text: how texts become token weights; None stands for words.
        propensity_a: A of the propensity model (Jain et al., KDD'16).
        propensity_b: B of the same model.

    Raises:
        UserError: numbers of texts and of lists differ, or one of them is something else.
    """
    points = {"train": _Points.of(train, "train"), "test": _Points.of(test, "test")}
    ids: tuple[str, ...] = ()
    if label_texts is None or isinstance(label_texts, Mapping):
        known = label_texts or {}
        columns = _columns_of_names(points, known)
        names, ids = (
            _check_texts((known.get(label, label) for label in columns), "label_texts"),
            tuple(columns),
        )
    else:
        names = _check_texts(label_texts, "label_texts")
        columns = _columns_of_numbers(points, len(names))
    weigher = WordVectorizer() if text is None else text
    weighed = weigher.fit_transform(points["train"].texts, points["test"].texts, label_texts=names)
    return XCData(
        name=name,
        train=points["train"].split(weighed.train, columns),
        test=points["test"].split(weighed.test, columns),
        label_features=weighed.labels,
        label_names=tuple(names),
        label_ids=ids,
        vocabulary=weighed.vocabulary,
        vectorizer=weighed.vectorizer,
        propensity_a=propensity_a,
        propensity_b=propensity_b,
    )


@dataclass(frozen=True)
class _Points:
    """Texts and labels in lists."""

    texts: list[str]
    labels: list[list[Any]]

    @classmethod
    def of(cls, points: LabelledTexts, part: str) -> "_Points":
        texts, labels = _check_texts(points.texts, part), _check_lists(points.labels, part)
        if len(texts) != len(labels):
            raise UserError(
                f"{part}: expected a list of labels for each of {len(texts)} texts, found {len(labels)} "
                "lists; give both in the same order."
            )
        return cls(texts, labels)

    def split(self, features: csr_array, columns: Mapping[Any, int]) -> Split:
        rows = [sorted({columns[label] for label in own if label in columns}) for own in self.labels]
        return Split(features, binary_rows(rows, len(columns)), NO_PAIRS)


def _columns_of_names(points: Mapping[str, _Points], known: Iterable[str]) -> dict[Any, int]:
    _check_labels(
        points, "names of labels (numbers need a list of label_texts)", lambda x: isinstance(x, str)
    )
    names = {str(label) for own in points["train"].labels for label in own} | set(known)
    unknown = {label for own in points["test"].labels for label in own} - names
    if unknown:
        _log.warning("%d labels of test points, which no training point has, are left out.", len(unknown))
    return {name: column for column, name in enumerate(sorted(names))}


def _columns_of_numbers(points: Mapping[str, _Points], count: int) -> dict[Any, int]:
    columns: dict[Any, int] = {number: number for number in range(count)}
    _check_labels(
        points,
        f"numbers from 0 to {count - 1}, places in label_texts",
        lambda x: not isinstance(x, bool) and isinstance(x, Integral) and x in columns,
    )
    return columns


def _check_texts(texts: Iterable[object], what: str) -> list[str]:
    checked = []
    for row, text in enumerate(texts):
        if not isinstance(text, str):
            raise UserError(
                f"{what}, row {row}: expected a text, found {text!r}; fill it in or drop the row."
            )
        checked.append(text)
    return checked


def _check_lists(labels: Iterable[object], what: str) -> list[list[Any]]:
    checked = []
    for row, own in enumerate(labels):
        if isinstance(own, str) or not isinstance(own, Iterable):
            raise UserError(
                f"{what}, row {row}: expected a list of labels, found {own!r}; write one, such as [{own!r}]."
            )
        checked.append(list(own))
    return checked


def _check_labels(points: Mapping[str, _Points], expected: str, is_label: Callable[[Any], bool]) -> None:
    for part, split in points.items():
        for row, own in enumerate(split.labels):
            for label in own:
                if not is_label(label):
                    raise UserError(
                        f"{part}, row {row}: expected {expected}, found {label!r}; correct the label."
                    )
