"""Read and write filter pairs: labels that must not count as predictions of a point."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from xcgraph.data.xc_data import NO_PAIRS, Split
from xcgraph.errors import UserError
from xcgraph.formats.folder_files import FolderFiles
from xcgraph.formats.text_lines import numbered_lines
from xcgraph.formats.write import TextFile

__all__ = ["filter_pairs_of", "read_filter_pairs", "write_filter_pairs"]

# For each split, the file name in the repository, then the file name in Renée's data.
_NAMES = {
    "train": ("filter_labels_train.txt", "trn_filter_labels.txt"),
    "test": ("filter_labels_test.txt", "tst_filter_labels.txt"),
}
_MAX_DIGITS = 18  # any number with this many digits fits into int64
_LENGTH_SHOWN = 60


def filter_pairs_of(split: str, files: FolderFiles, shape: tuple[int, int]) -> NDArray[np.int64]:
    """Read the filter pairs of ``train`` or ``test``; the array is empty if the folder has no such file."""
    source = files.find(*_NAMES[split])
    return NO_PAIRS if source is None else read_filter_pairs(source, shape)


def read_filter_pairs(source: Path, shape: tuple[int, int]) -> NDArray[np.int64]:
    """Read lines ``point label``, both numbered from 0. The file may be empty.

    Args:
        source: the file, plain or gzip.
        shape: numbers of points and labels.

    Returns:
        (pairs, 2) point and label, in the order of the file.

    Raises:
        UserError: the file is damaged, or a line is not a pair of an existing point and an existing label.
    """
    pairs = [
        _parse(line, f"{source}, line {number}", shape)
        for number, line in numbered_lines(source, may_be_empty=True)
    ]
    return np.array(pairs, np.int64).reshape(-1, 2)


def _parse(line: bytes, place: str, shape: tuple[int, int]) -> list[int]:
    tokens = line.split()
    if len(tokens) != 2 or not all(token.isdigit() and len(token) <= _MAX_DIGITS for token in tokens):
        text = line[:_LENGTH_SHOWN].decode("utf-8", "backslashreplace")
        found = ascii(text) if tokens else "a blank line before the last pair"
        raise UserError(
            f"{place}: expected two whole numbers, point and label, found {found}; correct or remove "
            "the line."
        )
    pair = [int(token) for token in tokens]
    for kind, number, count in zip(("point", "label"), pair, shape, strict=True):
        if number >= count:
            raise UserError(
                f"{place}: expected a {kind} from 0 to {count - 1}, found {number}; correct the line, or use "
                "the file that belongs to these points."
            )
    return pair


def write_filter_pairs(split: str, folder: Path, ending: str, points: Split) -> None:
    """Write the filter pairs of ``train`` or ``test`` under the repository's file name.

    The file is written even if there are no pairs.
    """
    with TextFile(folder / (_NAMES[split][0] + ending)) as file:
        file.write("".join(f"{point} {label}\n" for point, label in points.filter_pairs.tolist()).encode())
