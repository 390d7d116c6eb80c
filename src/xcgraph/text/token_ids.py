"""Converts texts to the token ids of a Hugging Face model, in reading order."""

import importlib.util
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from xcgraph.errors import UserError
from xcgraph.text.vectorizer import VectorizedTexts

_BATCH = 4096


@dataclass(frozen=True, kw_only=True)
class TokenIdVectorizer:
    """Makes the input of :class:`~xcgraph.nn.transformer.TransformerEncoder`: token ids, not token weights.

    A text is a row of (texts, max_length). Column p holds 1 + the id of the p-th token, including the
    model's start and end tokens. Rows are sliced, stored and hashed like token weights. However, they are
    not bags of tokens: the sum of two rows has no meaning.

    Attributes:
        model: name or folder of the model whose tokenizer is used.
        max_length: maximum number of tokens per text; further tokens are dropped.

    Raises:
        UserError: a value is out of range, or the package transformers is not installed.
    """

    model: str
    max_length: int = 32

    def __post_init__(self) -> None:
        if self.max_length < 1:
            raise UserError(f"text.max_length must be ≥ 1, got {self.max_length}; raise it.")
        require_transformers("text=token_ids")

    def fit_transform(
        self, train_texts: Iterable[str], test_texts: Iterable[str], *, label_texts: Sequence[str]
    ) -> VectorizedTexts:
        """Return the token ids of all texts; see :class:`~xcgraph.text.vectorizer.Vectorizer`.

        Raises:
            UserError: the model does not exist.
        """
        from transformers import AutoTokenizer

        try:
            tokenizer = AutoTokenizer.from_pretrained(self.model)
        except (OSError, ValueError) as error:
            raise no_such_model("text.model", self.model, error) from error
        train, test, labels = (
            self._rows(tokenizer, texts) for texts in (train_texts, test_texts, label_texts)
        )
        return VectorizedTexts(train, test, labels, ())

    def _rows(self, tokenizer: Any, texts: Iterable[str]) -> csr_array:  # noqa: ANN401 - a package that may be missing
        ids = [np.array(own, np.int64) for own in _tokenize(tokenizer, texts, self.max_length)]
        lengths = np.array([len(own) for own in ids], np.int64)
        values = np.concatenate([np.empty(0, np.int64), *ids]) + 1
        positions = np.concatenate([np.empty(0, np.int64), *map(np.arange, lengths)])
        indptr = np.concatenate([[0], np.cumsum(lengths)])
        # Ids stay exact in float32: vocabularies are far smaller than 2^24.
        return csr_array((values.astype(np.float32), positions, indptr), shape=(len(ids), self.max_length))


def require_transformers(choice: str) -> None:
    """Check that the package transformers is installed.

    Args:
        choice: the setting that needs the package, for the error message.

    Raises:
        UserError: the package is not installed.
    """
    if importlib.util.find_spec("transformers") is None:
        raise UserError(
            f"{choice} needs the package transformers, which is not installed; "
            "run pip install 'xcgraph[transformers]'."
        )


def no_such_model(key: str, model: str, error: Exception) -> UserError:
    """Return the error for a model that cannot be loaded; ``key`` is the setting that names the model."""
    reason = str(error).strip().partition("\n")[0]
    return UserError(
        f"{key}: expected the folder or the name of a Hugging Face model, found {model!r} ({reason}); "
        "correct the name."
    )


def _tokenize(tokenizer: Any, texts: Iterable[str], max_length: int) -> Iterator[list[int]]:  # noqa: ANN401
    remaining = iter(texts)
    while batch := list(itertools.islice(remaining, _BATCH)):
        yield from tokenizer(batch, truncation=True, max_length=max_length)["input_ids"]
