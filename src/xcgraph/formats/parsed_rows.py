"""What the parser makes of a text, and what it may find wrong with it."""

from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Entries", "Fault", "ParseError"]


class Entries(NamedTuple):
    """Rows as they stand in the text: in any order, with repetitions and zeros.

    Attributes:
        ends: (rows,) int64, for each row the number of entries in it and the rows before it.
        indices: (nnz,) int32.
        values: (nnz,) float32.
    """

    ends: NDArray[np.int64]
    indices: NDArray[np.int32]
    values: NDArray[np.float32]


class Fault(IntEnum):
    """What is wrong where parsing stops."""

    NONE = 0
    NO_INDEX = 1
    NO_COLON = 2
    INDEX_OUTSIDE = 3
    NO_VALUE = 4
    NO_LABEL = 5
    LABEL_OUTSIDE = 6


class ParseError(ValueError):
    """A chunk is not what it should be.

    Attributes:
        position: the byte in the chunk at which the token starts that is wrong.
        expected: what should be there.
        found: the token.
        mend: what to do about it.
    """

    def __init__(self, position: int, *, expected: str, found: bytes, mend: str) -> None:
        super().__init__(f"at byte {position}: expected {expected}, found {found!r}; {mend}")
        self.position = position
        self.expected = expected
        self.found = found
        self.mend = mend
