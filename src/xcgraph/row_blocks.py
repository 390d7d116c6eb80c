"""Rows in blocks: of a size that a processor's cache holds, or of sizes that come again."""

from collections.abc import Iterator

from torch import Tensor

# Elements of a block. On a CPU, it and what is computed of it stay in the cache of a core; an accelerator
# waits for calls sooner than for memory, of which a block takes 256 MiB there.
_BLOCK, _LARGE_BLOCK = 1 << 17, 1 << 26
_FEW_ROWS = 256


def row_blocks(count: int, width: int, like: Tensor) -> Iterator[slice]:
    """Cut rows into blocks, so that a chain of passes over them reads memory once.

    Args:
        count: the number of rows.
        width: elements that are read in a row.
        like: a tensor on the device.
    """
    size = max(1, (_BLOCK if like.device.type == "cpu" else _LARGE_BLOCK) // max(1, width))
    return (slice(first, min(first + size, count)) for first in range(0, count, size))


def bucket_sizes(count: int, largest: int) -> list[int]:
    """Cut a number of rows into blocks whose sizes other numbers are cut into too.

    Memory that is kept serves again where sizes come again: a last block of any size would leave holes that
    grow, in a process that computes a different number of rows in each step.

    Args:
        count: the number of rows.
        largest: rows of a block, a power of two; what is left is cut into halves of it, down to few rows.
    """
    sizes, left = [largest] * (count // largest), count % largest
    while largest > _FEW_ROWS:
        largest //= 2
        if left >= largest:
            sizes.append(largest)
            left -= largest
    return [*sizes, left] if left else sizes
