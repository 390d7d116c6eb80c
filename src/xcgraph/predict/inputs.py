"""Checks the inputs of a model (texts, bags of tokens or sparse rows) and turns them into sparse rows."""

from collections.abc import Iterable, Mapping, Sequence, Set
from reprlib import repr as short
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, issparse, sparray, spmatrix, vstack

from xcgraph.errors import UserError
from xcgraph.predict.model import PortableModel

# Texts, or bags that map token names or columns to weights, or sparse rows. Items are checked one by one.
Inputs: TypeAlias = Iterable[object] | sparray | spmatrix

_MAX_WEIGHT = 1e6  # the square of a larger weight could overflow float32
_EXPECTED = "Expected a list of texts or bags, or a sparse matrix"


class InputReader:
    """Turns inputs into rows of token weights.

    Args:
        model: the model that will score the rows; it has the vocabulary and the vectorizer.
    """

    def __init__(self, model: PortableModel) -> None:
        self._model = model
        self._columns = {token: column for column, token in enumerate(model.vocabulary)}

    def rows(self, inputs: Inputs) -> csr_array:
        """Return (points, tokens) float32 rows.

        Raises:
            UserError: this model cannot read an input; the message has the position of the input.
        """
        if issparse(inputs):
            return self._checked_matrix(csr_array(inputs))
        items = _as_list(inputs)
        for position, item in enumerate(items):
            try:
                self.check(item)
            except UserError as error:
                raise UserError(f"Input {position}: {error}") from None
        return self.read(items)

    def check(self, item: object) -> None:
        """Check one input.

        Raises:
            UserError: the item is not a text or a bag, or this model cannot read it.
        """
        if isinstance(item, str):
            if self._model.vectorizer is None:
                raise UserError(self._no_vectorizer())
            _check_text(item)
        elif isinstance(item, Mapping):
            for token, weight in item.items():
                self._check_token(token)
                _check_weight(token, weight)
        else:
            raise UserError(f"expected a text or weights of tokens, found {_describe(item)}.")

    def read(self, items: Sequence[object]) -> csr_array:
        """Return the rows of inputs that :meth:`check` has accepted."""
        texts = [position for position, item in enumerate(items) if isinstance(item, str)]
        vectorizer = self._model.vectorizer
        if vectorizer is not None and len(texts) == len(items):
            return vectorizer.transform([item for item in items if isinstance(item, str)])
        bags = [position for position, item in enumerate(items) if not isinstance(item, str)]
        parts = [self._bags([item for item in items if isinstance(item, Mapping)])]
        if vectorizer is not None and texts:
            parts.append(vectorizer.transform([item for item in items if isinstance(item, str)]))
        return csr_array(vstack(parts, format="csr"))[np.argsort(bags + texts)]

    def _bags(self, bags: Sequence[Mapping[Any, Any]]) -> csr_array:
        known = [
            {column: weight for token, weight in bag.items() if (column := self._column(token)) is not None}
            for bag in bags
        ]
        indptr = np.concatenate([[0], np.cumsum([len(bag) for bag in known], dtype=np.int64)])
        tokens = np.array([column for bag in known for column in sorted(bag)], np.int64)
        weights = np.array([bag[column] for bag in known for column in sorted(bag)], np.float32)
        return csr_array((weights, tokens, indptr), shape=(len(bags), self._model.num_tokens))

    def _column(self, token: str | int) -> int | None:
        return self._columns.get(token) if isinstance(token, str) else int(token)

    def _check_token(self, token: object) -> None:
        count = self._model.num_tokens
        if isinstance(token, str):
            if not self._columns:
                raise UserError(
                    f"expected token columns from 0 to {count - 1}, found the token name {short(token)}: "
                    "this model was trained on a dataset without a vocabulary."
                )
        elif isinstance(token, bool) or not isinstance(token, int | np.integer) or not 0 <= token < count:
            raise UserError(f"expected token columns from 0 to {count - 1}, found {short(token)}.")

    def _checked_matrix(self, rows: csr_array) -> csr_array:
        if rows.ndim != 2 or rows.shape[1] != self._model.num_tokens:
            raise UserError(
                f"Expected a matrix of shape (points, {self._model.num_tokens}), with one column per token; "
                f"found shape {rows.shape}."
            )
        rows = csr_array(rows, dtype=np.float32, copy=True)
        rows.sum_duplicates()
        too_large = rows.data[~(np.abs(rows.data) <= _MAX_WEIGHT)]
        if len(too_large):
            raise UserError(f"Expected finite weights of at most {_MAX_WEIGHT:g}, found {too_large[0]:g}.")
        return rows

    def _no_vectorizer(self) -> str:
        keys = "by name or column" if self._columns else "by column"
        return (
            f"expected weights of tokens {keys}, found a text: the model cannot vectorize texts because it "
            f"was trained on the sparse features of {self._model.data}."
        )


def has_known_token(rows: csr_array) -> NDArray[np.bool_]:
    """Return for each row whether it has a token of nonzero weight."""
    points = np.repeat(np.arange(rows.shape[0]), np.diff(rows.indptr))
    known = np.zeros(rows.shape[0], np.bool_)
    known[points[rows.data != 0]] = True
    return known


def _as_list(inputs: object) -> Sequence[object]:
    """Return the items of any ordered iterable; refuse iterables whose items are no points."""
    if isinstance(inputs, str | bytes | bytearray):
        kind = "text" if isinstance(inputs, str) else type(inputs).__name__
        raise UserError(f"{_EXPECTED}, found a single {kind}: put it in a list.")
    if isinstance(inputs, Mapping):
        raise UserError(f"{_EXPECTED}, found a single {type(inputs).__name__}: put a bag in a list, [bag].")
    # pandas, Polars and Spark have columns; PyArrow and Hugging Face have column_names.
    names = getattr(inputs, "columns", getattr(inputs, "column_names", None))
    if names is not None:
        raise UserError(_table_refusal(inputs, names))
    if isinstance(inputs, Set):
        raise UserError(f"{_EXPECTED}, found a {type(inputs).__name__}, which has no order: use a list.")
    if getattr(inputs, "ndim", 1) != 1:
        raise UserError(
            f"{_EXPECTED}, found a dense {type(inputs).__name__}: convert it with scipy.sparse.csr_array."
        )
    if not isinstance(inputs, Iterable):
        raise UserError(f"{_EXPECTED}, found {_describe(inputs)}.")
    return inputs if isinstance(inputs, list | tuple) else list(inputs)


def _table_refusal(table: object, names: object) -> str:
    columns = list(names) if isinstance(names, Iterable) else []
    column = repr(columns[0]) if columns else "'text'"
    found = f" with the columns {short(columns)}" if columns else ""
    return (
        f"{_EXPECTED}, found a table ({type(table).__name__}){found}: pass its column of texts, such as "
        f"table[{column}]."
    )


def _describe(item: object) -> str:
    """Describe an item that is no input; a missing value of a table gets its remedy."""
    kind = type(item).__name__
    if item is None or kind in ("NAType", "NaTType") or (isinstance(item, float) and np.isnan(item)):
        return f"a missing value ({kind}); remove it or replace it by an empty text"
    return f"{short(item)} of type {kind}"


def _check_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise UserError(f"expected Unicode, found the lone surrogate {text[error.start]!r}.") from None


def _check_weight(token: object, weight: object) -> None:
    is_number = isinstance(weight, int | float | np.number) and not isinstance(weight, bool)
    # The comparison is also false for NaN and for integers that are too large for a float.
    if not is_number or not abs(weight) <= _MAX_WEIGHT:  # type: ignore[arg-type]
        raise UserError(
            f"expected a finite weight of at most {_MAX_WEIGHT:g} for the token {short(token)}, found "
            f"{short(weight)}."
        )
