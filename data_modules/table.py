"""Tables of texts and labels: CSV, TSV, JSON lines or Parquet files, and Hugging Face datasets."""

import logging
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from xcgraph.data.datamodule import XCDataModule
from xcgraph.data.from_texts import LabelledTexts, from_texts
from xcgraph.data.xc_data import PointTexts, XCData
from xcgraph.errors import UserError
from xcgraph.formats.tables import (
    FORMATS,
    LabelCells,
    TableFile,
    join_texts,
    label_table,
    read_table,
    split_rows,
)
from xcgraph.storage.user_paths import expand_home
from xcgraph.text.vectorizer import Vectorizer

_log = logging.getLogger(__name__)
_COLUMN = "column:"


class Tabular(XCDataModule):
    """What a table file and a Hugging Face dataset share: columns, label texts, and the split.

    Args:
        name: name of the data set, as reports print it.
        path: where the training points are.
        vectorizer: turns texts into token weights.
        text: column, or columns, whose cells make up the text of a point.
        labels: column of the label ids.
        separator: ``comma``, ``semicolon``, ``pipe``, ``tab``, ``space``, ``json``, ``none`` (one label a
            row) or any other text between two ids; None finds out, and refuses what is ambiguous.
        label_texts: table with one row per label; None takes each id as its text.
        label_id: column of the ids in that table.
        label_text: column, or columns, of the text in that table.
        test: the test points: a share of the rows such as 0.2, another table such as ``test.csv``, or
            ``column:NAME`` for a column that says ``train`` or ``test``.
        test_seed: random seed of the choice where ``test`` is a share.
        validation: table of the points to validate on; None holds out a share of the training points.
        propensity_a: A of the propensity model (Jain et al., KDD'16).
        propensity_b: B of the same model.

    Raises:
        UserError: ``test`` has another form, or ``test_seed`` is set and ``test`` is not a share.
    """

    def __init__(  # noqa: PLR0913 - one argument for each key of the YAML
        self,
        *,
        name: str,
        path: str | Path,
        vectorizer: Vectorizer,
        text: str | list[str],
        labels: str,
        separator: str | None = None,
        label_texts: str | Path | None = None,
        label_id: str = "id",
        label_text: str | list[str] = "text",
        test: float | str = 0.2,
        test_seed: int = 0,
        validation: str | Path | None = None,
        propensity_a: float = 0.55,
        propensity_b: float = 1.5,
    ) -> None:
        super().__init__(name=name, propensity_a=propensity_a, propensity_b=propensity_b)
        self.path = expand_home(path)
        self.vectorizer = vectorizer
        self.text = [text] if isinstance(text, str) else list(text)
        self.labels = labels
        self.cells = LabelCells(separator)
        self.label_texts = None if label_texts is None else expand_home(label_texts)
        self.label_id = label_id
        self.label_text = [label_text] if isinstance(label_text, str) else list(label_text)
        self.test = test
        self.test_seed = test_seed
        self.validation = None if validation is None else Path(validation).expanduser()
        if not isinstance(test, str) and not 0 <= test < 1:
            raise UserError(f"data.test={test}: a share of the rows must lie in [0, 1).")
        if isinstance(test, str) and test_seed != 0:
            raise UserError("data.test_seed is of use only where data.test is a share such as 0.2.")

    @abstractmethod
    def tables(self) -> tuple[TableFile, TableFile | None]:
        """Read the table of the training points, and that of the test points where they have their own."""

    def read(self) -> XCData:
        """Read the tables and vectorize their texts.

        Raises:
            UserError: a file or column is missing, or a cell is not what it should be; names file and line.
        """
        train, test = self._parts
        known = self._known_texts()
        if known is not None:
            self._check_ids(train, known)
        data = from_texts(
            LabelledTexts(train.texts, train.labels),
            LabelledTexts(test.texts, test.labels),
            name=self.name,
            label_texts=known,
            text=self.vectorizer,
            propensity_a=self.propensity_a,
            propensity_b=self.propensity_b,
        )
        return replace(data, held_out=self._held_out(len(train.texts)))

    def point_texts(self) -> PointTexts:
        """Return the texts of the points."""
        train, test = self._parts
        return PointTexts(train.texts, test.texts)

    @cached_property
    def _parts(self) -> tuple["_Points", "_Points"]:
        first, second = self.tables()
        points = self._points(first)
        if second is not None:
            return self._with_validation(points), self._points(second)
        if isinstance(self.test, str):
            rows = dict(split_rows(first, self.test.removeprefix(_COLUMN), "data.test"))
            train, test = rows["train"], rows["test"]
        else:
            order = np.random.default_rng(self.test_seed).permutation(len(points.texts))
            count = round(self.test * len(order))
            train, test = sorted(order[count:].tolist()), sorted(order[:count].tolist())
        if not train:
            raise UserError(
                f"{first.source}: no training rows are left; lower data.test or name more rows train."
            )
        return self._with_validation(points.take(train)), points.take(test)

    def _with_validation(self, train: "_Points") -> "_Points":
        return train if self._validation is None else train.join(self._validation)

    @cached_property
    def _validation(self) -> "_Points | None":
        return None if self.validation is None else self._points(read_table(self.validation))

    def _held_out(self, count: int) -> NDArray[np.int64] | None:
        """Return the rows of the validation points, which follow all others."""
        if self._validation is None:
            return None
        return np.arange(count - len(self._validation.texts), count)

    def _points(self, table: TableFile) -> "_Points":
        rows, found = self.cells.split(table, self.labels, "data.labels", "data.separator")
        if found is not None:
            _log.info("%s: labels in column %s are separated by %s.", table.source, self.labels, found)
        places = [table.row(place) for place in range(len(rows))]
        return _Points(join_texts(table, self.text, "data.text"), rows, places)

    def _known_texts(self) -> dict[str, str] | None:
        if self.label_texts is None:
            return None
        table = read_table(self.label_texts)
        return label_table(table, self.label_id, self.label_text, ("data.label_id", "data.label_text"))

    def _check_ids(self, train: "_Points", known: dict[str, str]) -> None:
        for place, row in zip(train.places, train.labels, strict=True):
            for label in row:
                if label not in known:
                    raise UserError(
                        f"{place}: label {label!r} has no row in {self.label_texts}; add it, or set "
                        "data.separator if it is more than one label."
                    )


class Table(Tabular):
    """A CSV, TSV, JSON-lines or Parquet file with one row per point (arguments of :class:`Tabular`)."""

    def tables(self) -> tuple[TableFile, TableFile | None]:
        """Read the files."""
        first = read_table(self.path)
        if not isinstance(self.test, str) or self.test.startswith(_COLUMN):
            return first, None
        if not any(self.test.lower().removesuffix(".gz").endswith(ending) for ending in FORMATS):
            raise UserError(
                f"data.test={self.test}: expected a share such as 0.2, a table such as test.csv, or "
                "column:NAME."
            )
        return first, read_table(expand_home(self.test))


class _Points:
    """Texts and label ids of points, and the place of each for messages."""

    def __init__(self, texts: Sequence[str], labels: Sequence[list[str]], places: Sequence[str]) -> None:
        self.texts, self.labels, self.places = texts, labels, places

    def join(self, more: "_Points") -> "_Points":
        return _Points([*self.texts, *more.texts], [*self.labels, *more.labels], [*self.places, *more.places])

    def take(self, rows: Sequence[int]) -> "_Points":
        return _Points(
            [self.texts[row] for row in rows],
            [self.labels[row] for row in rows],
            [self.places[row] for row in rows],
        )
