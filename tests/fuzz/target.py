"""A reader under test."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random


@dataclass(frozen=True)
class Target:
    """A reader, and a function that generates inputs for it.

    Attributes:
        name: name of the reader.
        share: relative share of the inputs that this target gets.
        make: function that generates a random input: the content of each file by its name.
        read: function that reads the input, given its folder and a working folder. It may succeed or raise
            UserError.
    """

    name: str
    share: int
    make: Callable[[Random], Mapping[str, bytes]]
    read: Callable[[Path, Path], object]
