"""Something that reads files."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random


@dataclass(frozen=True)
class Target:
    """A reader, and what makes inputs for it.

    Attributes:
        name: of the reader.
        share: of all inputs, beside the shares of others.
        make: draws an input: the content of each file by its name.
        read: reads them: the folder that has them, and one to work in. Allowed are success and UserError.
    """

    name: str
    share: int
    make: Callable[[Random], Mapping[str, bytes]]
    read: Callable[[Path, Path], object]
