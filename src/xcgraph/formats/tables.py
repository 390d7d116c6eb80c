"""Read tables of texts and labels: CSV, TSV, JSON lines and Parquet, through pandas."""

import gzip
import json
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from xcgraph.errors import UserError

if TYPE_CHECKING:
    import pandas as pd


# By the ending of a file's name, without ".gz".
FORMATS = {".csv": "csv", ".tsv": "tsv", **dict.fromkeys((".jsonl", ".ndjson", ".json"), "json")}
FORMATS[".parquet"] = "parquet"
SEPARATORS = {
    "comma": ",",
    "semicolon": ";",
    "pipe": "|",
    "tab": "\t",
    "space": " ",
    "none": None,
    "json": None,
}
# A comma also stands inside names of labels, so it has to be asked for.
_DETECTED = {"semicolon": ";", "pipe": "|"}


@dataclass(frozen=True)
class TableFile:
    """A table in memory and where it came from.

    Attributes:
        frame: the table; all cells of CSV and TSV files are strings.
        source: the file, for messages.
        first_line: line of the first row in the file; None where rows have no lines (Parquet).
    """

    frame: "pd.DataFrame"
    source: str
    first_line: int | None

    def row(self, place: int) -> str:
        """Name a row for a message, such as ``products.csv, line 3``."""
        if self.first_line is None:
            return f"{self.source}, row {place}"
        return f"{self.source}, line {place + self.first_line}"

    def column(self, name: str, key: str) -> Sequence[Any]:
        """Return the cells of a column.

        Args:
            name: name of the column.
            key: config key or argument that names the column, for the message.

        Raises:
            UserError: there is no such column.
        """
        if name not in self.frame.columns:
            found = ", ".join(map(str, self.frame.columns))
            raise UserError(f"{self.source}: no column {name!r}; its columns are {found}. Set {key}=COLUMN.")
        cells: list[Any] = self.frame[name].tolist()
        return cells


def read_table(path: Path) -> TableFile:
    """Read a CSV, TSV, JSON-lines or Parquet file, plain or gzip.

    The ending of the name gives the format: ``.csv``, ``.tsv``, ``.jsonl`` (or ``.ndjson``, ``.json``) and
    ``.parquet``; each text format may end in ``.gz``.

    Raises:
        UserError: the file is missing, empty, damaged, not UTF-8, or of an unknown format.
    """
    suffixes = [suffix.lower() for suffix in path.suffixes]
    packed = bool(suffixes) and suffixes[-1] == ".gz"
    ending = suffixes[-2 if packed else -1] if len(suffixes) > packed else ""
    kind = FORMATS.get(ending)
    if kind is None or (packed and kind == "parquet"):
        raise UserError(
            f"{path}: unknown kind of table; name it .csv, .tsv, .jsonl or .parquet "
            "(.gz may follow the first three)."
        )
    if not path.is_file():
        raise UserError(f"{path}: no such file.")
    frame = _read_parquet(path) if kind == "parquet" else _read_text(path, kind, packed)
    if len(frame) == 0:
        raise UserError(f"{path}: the table has no rows.")
    repeated = frame.columns[frame.columns.duplicated()].tolist()
    if repeated:
        raise UserError(f"{path}: column {repeated[0]!r} occurs twice; rename one of them.")
    return TableFile(frame, str(path), {"parquet": None, "json": 1}.get(kind, 2))


def _read_text(path: Path, kind: str, packed: bool) -> "pd.DataFrame":
    import pandas as pd

    compression = "gzip" if packed else None
    try:
        if kind == "json":
            return pd.read_json(path, lines=True, dtype=False, encoding="utf-8", compression=compression)
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # else pandas drops surplus cells
            return pd.read_csv(
                path,
                sep="," if kind == "csv" else "\t",
                dtype=str,
                keep_default_na=False,
                index_col=False,
                encoding="utf-8-sig",
                compression=compression,
            )
    except pd.errors.ParserWarning as error:
        raise UserError(
            f"{path}, line 2: more cells than the header has columns; quote cells that hold the separator."
        ) from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: {_encoding_hint(path, error)}") from error
    except (EOFError, pd.errors.EmptyDataError) as error:
        cut = isinstance(error, EOFError)
        reason = "the gzip file is cut short; copy it again" if cut else "the file is empty"
        raise UserError(f"{path}: {reason}.") from error
    except (pd.errors.ParserError, ValueError, OSError) as error:
        raise UserError(f"{path}{_bad_line(path, kind, packed)}: {' '.join(str(error).split())}") from error


def _read_parquet(path: Path) -> "pd.DataFrame":
    import pandas as pd

    try:
        return pd.read_parquet(path, dtype_backend="numpy_nullable")
    except ImportError as error:
        raise UserError(f"{path}: Parquet needs pyarrow: pip install pyarrow.") from error
    except (ValueError, OSError) as error:
        raise UserError(f"{path}: not a whole Parquet file ({' '.join(str(error).split())}).") from error


def _encoding_hint(path: Path, error: UnicodeDecodeError) -> str:
    with path.open("rb") as file:
        is_utf16 = file.read(2) in (b"\xff\xfe", b"\xfe\xff")
    found = "UTF-16" if is_utf16 else f"another encoding (byte {error.object[error.start]:#04x})"
    return f"expected UTF-8, found {found}; save the file as UTF-8, e.g. with iconv -f UTF-16 -t UTF-8."


def _bad_line(path: Path, kind: str, packed: bool) -> str:
    """Find the first line that is no JSON object; pandas names it for CSV files by itself."""
    if kind != "json":
        return ""
    try:
        with gzip.open(path, "rt", encoding="utf-8") if packed else path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip() and not isinstance(json.loads(line), dict):
                    return f", line {number}"
    except ValueError:
        return f", line {number}"
    except OSError:
        return ""
    return ""


def join_texts(table: TableFile, columns: Sequence[str], key: str) -> list[str]:
    """Join the cells of some columns into one text per row; empty cells are left out.

    Raises:
        UserError: a column is missing, a cell is no text, or a row has no text at all.
    """
    parts = [_texts(table, name, key) for name in columns]
    joined = [" ".join(filter(None, row)) for row in zip(*parts, strict=True)]
    empty = [place for place, text in enumerate(joined) if not text.strip()]
    if empty:
        raise UserError(
            f"{table.row(empty[0])}: no text in {', '.join(columns)} ({len(empty)} such rows); fill it in or "
            "drop the row."
        )
    return joined


def _texts(table: TableFile, name: str, key: str) -> list[str]:
    texts = []
    for place, cell in enumerate(table.column(name, key)):
        if _is_missing(cell):
            texts.append("")
        elif isinstance(cell, str):
            texts.append(cell)
        else:
            raise UserError(f"{table.row(place)}: expected a text in column {name!r}, found {cell!r}.")
    return texts


@dataclass(frozen=True)
class LabelCells:
    """Split the cells of a label column into label ids.

    Attributes:
        separator: a name of :data:`SEPARATORS`, any other text between two ids, or None to find out.
    """

    separator: str | None = None

    def split(
        self, table: TableFile, column: str, key: str, separator_key: str
    ) -> tuple[list[list[str]], str | None]:
        """Return the label ids of each row, and the separator that was found, if one was looked for.

        Lists (JSON lines, Parquet, or JSON lists in CSV cells) are taken as they are. An empty cell is a row
        without labels.

        Raises:
            UserError: the column is missing, an id is empty or occurs twice in a row, or the separator is
                unclear.
        """
        cells = ["" if _is_missing(cell) else cell for cell in table.column(column, key)]
        strings = [cell for cell in cells if isinstance(cell, str) and cell.strip()]
        found = None
        if self.separator is not None:
            separator, as_json = SEPARATORS.get(self.separator, self.separator), self.separator == "json"
        elif strings and all(cell.lstrip().startswith("[") for cell in strings):
            separator, as_json, found = None, True, "json"
        else:
            separator, as_json = None, False
            if strings:
                found = self._detect(strings, table, column, separator_key)
                separator = _DETECTED.get(found) if found else None
        rows = []
        for place, cell in enumerate(cells):
            row = _row_ids(cell, separator, as_json, table.row(place), column)
            _check_row(row, table.row(place), column)
            rows.append(row)
        return rows, found

    def _detect(self, strings: Sequence[str], table: TableFile, column: str, key: str) -> str | None:
        found = [name for name, mark in _DETECTED.items() if any(mark in cell for cell in strings)]
        comma = any("," in cell for cell in strings)
        if len(found) > 1 or (comma and not found):
            marks = " and ".join(repr(_DETECTED[name]) for name in found) or "','"
            raise UserError(
                f"{table.source}: cells of column {column!r} hold {marks}; say how labels are separated with "
                f"{key}=comma, semicolon, pipe, tab, space, json, or none for one label a row."
            )
        return found[0] if found else None


def _row_ids(
    cell: Any,  # noqa: ANN401 - any cell of a table
    separator: str | None,
    as_json: bool,
    row: str,
    column: str,
) -> list[str]:
    if isinstance(cell, str) and not cell.strip():
        return []
    if as_json and isinstance(cell, str):
        try:
            cell = json.loads(cell)
        except ValueError as error:
            raise UserError(f"{row}: expected a JSON list in column {column!r}, found {cell!r}.") from error
    if isinstance(cell, np.ndarray):
        cell = cell.tolist()
    if isinstance(cell, list):
        return [_one_id(item, row, column) for item in cell]
    if isinstance(cell, str):
        return [part.strip() for part in (cell.split(separator) if separator else [cell])]
    return [_one_id(cell, row, column)]


def _one_id(item: object, row: str, column: str) -> str:
    if isinstance(item, str):
        return item.strip()
    if isinstance(item, int | np.integer) and not isinstance(item, bool):
        return str(item)
    if isinstance(item, float) and item.is_integer():  # pandas makes floats of integers beside missing cells
        return str(int(item))
    raise UserError(f"{row}: expected label ids in column {column!r}, found {item!r}.")


def _check_row(row: list[str], where: str, column: str) -> None:
    if "" in row:
        raise UserError(f"{where}: an empty label id in column {column!r}; remove the extra separator.")
    if len(set(row)) < len(row):
        repeated = next(label for place, label in enumerate(row) if label in row[:place])
        remedy = (
            "the rows look like indicators of 0 and 1; give the ids of the labels"
            if set(row) <= {"0", "1"}
            else "name it once"
        )
        raise UserError(f"{where}: label {repeated!r} occurs twice in column {column!r}; {remedy}.")


def _is_missing(cell: object) -> bool:
    import pandas as pd

    return cell is None or cell is pd.NA or (isinstance(cell, float) and cell != cell)


def label_table(
    table: TableFile, id_column: str, text_columns: Sequence[str], keys: tuple[str, str]
) -> dict[str, str]:
    """Return the text of each label id of a table with one row per label.

    Args:
        table: the table.
        id_column: column of the ids.
        text_columns: columns of the text.
        keys: config keys of the two, for messages.

    Raises:
        UserError: a column is missing, an id is empty or occurs twice, or a text is missing.
    """
    texts = join_texts(table, text_columns, keys[1])
    ids = [
        _one_id("" if _is_missing(cell) else cell, table.row(place), id_column)
        for place, cell in enumerate(table.column(id_column, keys[0]))
    ]
    found: dict[str, str] = {}
    for place, (label, text) in enumerate(zip(ids, texts, strict=True)):
        if not label:
            raise UserError(f"{table.row(place)}: no label id in column {id_column!r}.")
        if label in found:
            raise UserError(
                f"{table.row(place)}: label {label!r} occurs twice in column {id_column!r}; keep one row."
            )
        found[label] = text
    return found


def split_rows(table: TableFile, column: str, key: str) -> Iterable[tuple[str, list[int]]]:
    """Return the rows of ``train`` and ``test`` by a column that says so.

    Raises:
        UserError: the column is missing or holds another value.
    """
    rows: dict[str, list[int]] = {"train": [], "test": []}
    for place, cell in enumerate(table.column(column, key)):
        part = str(cell).strip().lower()
        if part not in rows:
            raise UserError(
                f"{table.row(place)}: expected train or test in column {column!r}, found {cell!r}."
            )
        rows[part].append(place)
    return rows.items()
