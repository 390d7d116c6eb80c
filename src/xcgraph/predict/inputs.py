"""What can be given to a model: raw texts, bags of tokens, or sparse rows."""

from collections.abc import Mapping, Sequence
from reprlib import repr as short
from typing import Any, TypeAlias

import numpy as np
from scipy.sparse import csr_array, issparse, sparray, spmatrix, vstack

from xcgraph.errors import UserError
from xcgraph.predict.model import PortableModel

# Texts, or weights of tokens by name or by column, or rows of weights; a list is checked when it is used.
Inputs: TypeAlias = Sequence[object] | sparray | spmatrix

_LARGEST_WEIGHT = 1e6  # squares of larger ones leave float32


class InputReader:
    """Turns what users give into rows of token weights.

    Args:
        model: it says which tokens there are.
    """

    def __init__(self, model: PortableModel) -> None:
        self._model = model
        self._columns = {token: column for column, token in enumerate(model.vocabulary)}

    def rows(self, inputs: Inputs) -> csr_array:
        """Return (points, tokens) float32 rows.

        Raises:
            UserError: an input cannot be read by this model; the message has its place.
        """
        if issparse(inputs):
            return self._checked(csr_array(inputs))
        if isinstance(inputs, str):
            raise UserError(
                "Expected a list of texts or bags, or a sparse matrix, found a text: put it in a list."
            )
        for place, item in enumerate(inputs):
            try:
                self.check(item)
            except UserError as error:
                raise UserError(f"Input {place}: {error}") from None
        return self.read(inputs)

    def check(self, item: object) -> None:
        """Refuse what is no input.

        Raises:
            UserError: it is none, or not for this model.
        """
        if isinstance(item, str):
            if self._model.vectorizer is None:
                raise UserError(self._no_text())
            _check_text(item)
        elif isinstance(item, Mapping):
            for token, weight in item.items():
                self._check_token(token)
                _check_weight(token, weight)
        else:
            raise UserError(f"expected a text or weights of tokens, found {type(item).__name__}.")

    def read(self, items: Sequence[object]) -> csr_array:
        """Return the rows of inputs that have been checked."""
        texts = [place for place, item in enumerate(items) if isinstance(item, str)]
        vectorizer = self._model.vectorizer
        if vectorizer is not None and len(texts) == len(items):
            return vectorizer.transform([item for item in items if isinstance(item, str)])
        bags = [place for place, item in enumerate(items) if not isinstance(item, str)]
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
                    "expected columns of tokens, found names: this model was trained on a data set without a "
                    f"vocabulary; give numbers from 0 to {count - 1}."
                )
        elif isinstance(token, bool) or not isinstance(token, int | np.integer) or not 0 <= token < count:
            raise UserError(f"expected columns of tokens from 0 to {count - 1}, found {short(token)}.")

    def _checked(self, rows: csr_array) -> csr_array:
        if rows.ndim != 2 or rows.shape[1] != self._model.num_tokens:
            raise UserError(
                f"Expected rows of {self._model.num_tokens} tokens, found a matrix of shape {rows.shape}."
            )
        rows = csr_array(rows, dtype=np.float32, copy=True)
        rows.sum_duplicates()
        if not (np.abs(rows.data) <= _LARGEST_WEIGHT).all():
            raise UserError(f"Expected finite weights of at most {_LARGEST_WEIGHT:g}, found others.")
        return rows

    def _no_text(self) -> str:
        tokens = "by name or column" if self._columns else "by column"
        return (
            f"expected weights of tokens, found a text: {self._model.data} has sparse features and does not "
            f"say how texts become weights; give weights of tokens {tokens}."
        )


def _check_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise UserError(f"expected Unicode, found half a character, {text[error.start]!r}.") from None


def _check_weight(token: object, weight: object) -> None:
    is_number = isinstance(weight, int | float | np.number) and not isinstance(weight, bool)
    # Also NaN and whole numbers that no float can hold fail the comparison.
    if not is_number or not abs(weight) <= _LARGEST_WEIGHT:  # type: ignore[arg-type]
        raise UserError(
            f"expected a finite weight of at most {_LARGEST_WEIGHT:g} for the token {short(token)}, found "
            f"{short(weight)}."
        )
