"""The result of parsing rows, and the errors that a parser can report."""

from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Entries", "Fault", "ParseError"]


class Entries(NamedTuple):
    """Rows as they stand in the text: in any order, with repeated indices and zeros.

    Attributes:
        ends: (rows,) int64; for each row, the number of entries up to its end.
        indices: (nnz,) int32 column numbers.
        values: (nnz,) float32.
    """

    ends: NDArray[np.int64]
    indices: NDArray[np.int32]
    values: NDArray[np.float32]


class Fault(IntEnum):
    """The reason why the compiled parser stopped."""

    NONE = 0
    NO_INDEX = 1
    NO_COLON = 2
    INDEX_OUTSIDE = 3
    NO_VALUE = 4
    NO_LABEL = 5
    LABEL_OUTSIDE = 6


class ParseError(ValueError):
    """A token in a chunk does not follow the format.

    Attributes:
        position: the byte in the chunk at which the wrong token starts.
        expected: what should stand there.
        found: the token.
        remedy: how to correct it.
    """

    def __init__(self, position: int, *, expected: str, found: bytes, remedy: str) -> None:
        super().__init__(f"at byte {position}: expected {expected}, found {found!r}; {remedy}")
        self.position = position
        self.expected = expected
        self.found = found
        self.remedy = remedy
