"""Pairs of a point and a label that must not count as a prediction: ``filter_labels_*.txt``."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from xcgraph.data.xc_data import NO_PAIRS, Split
from xcgraph.errors import UserError
from xcgraph.formats.folder_files import FolderFiles
from xcgraph.formats.text_lines import numbered_lines
from xcgraph.formats.write import TextFile

__all__ = ["filter_pairs_of", "read_filter_pairs", "write_filter_pairs"]

# The repository's name of each split's file, and Renée's.
_NAMES = {
    "train": ("filter_labels_train.txt", "trn_filter_labels.txt"),
    "test": ("filter_labels_test.txt", "tst_filter_labels.txt"),
}
_LONGEST = 18  # digits of an int64


def filter_pairs_of(split: str, files: FolderFiles, shape: tuple[int, int]) -> NDArray[np.int64]:
    """Read the filter pairs of ``train`` or ``test``; no file has none."""
    source = files.find(*_NAMES[split])
    return NO_PAIRS if source is None else read_filter_pairs(source, shape)


def read_filter_pairs(source: Path, shape: tuple[int, int]) -> NDArray[np.int64]:
    """Read lines ``point label``, both counted from 0; the file may be empty.

    Args:
        source: the file, plain or gzip.
        shape: the numbers of points and labels.

    Returns:
        (pairs, 2), in the file's order.

    Raises:
        UserError: the file is damaged, or a line is something else or lies outside.
    """
    pairs = [
        _parse(line, f"{source}, line {number}", shape)
        for number, line in numbered_lines(source, may_be_empty=True)
        if line.strip()
    ]
    return np.array(pairs, np.int64).reshape(-1, 2)


def _parse(line: bytes, where: str, shape: tuple[int, int]) -> list[int]:
    tokens = line.split()
    if len(tokens) != 2 or not all(token.isdigit() and len(token) <= _LONGEST for token in tokens):
        found = ascii(line[:60].decode("utf-8", "backslashreplace"))
        raise UserError(
            f"{where}: expected two whole numbers, point and label, found {found}; correct the line."
        )
    pair = [int(token) for token in tokens]
    for what, number, count in zip(("point", "label"), pair, shape, strict=True):
        if number >= count:
            raise UserError(
                f"{where}: expected a {what} from 0 to {count - 1}, found {number}; correct the line or take "
                "the file of these points."
            )
    return pair


def write_filter_pairs(split: str, folder: Path, ending: str, points: Split) -> None:
    """Write the filter pairs of ``train`` or ``test`` under the repository's name, also if there are none."""
    with TextFile(folder / (_NAMES[split][0] + ending)) as file:
        file.write("".join(f"{point} {label}\n" for point, label in points.filter_pairs.tolist()).encode())
