"""Splits rows into blocks that fit the CPU cache, or into blocks of recurring sizes."""

from collections.abc import Iterator

from torch import Tensor

# Elements per block. On a CPU, a block and its results fit into the cache of a core. On an accelerator, large
# blocks of 256 MiB save calls, which cost more there than memory traffic.
_BLOCK, _LARGE_BLOCK = 1 << 17, 1 << 26
_FEW_ROWS = 256


def row_blocks(count: int, width: int, like: Tensor) -> Iterator[slice]:
    """Split rows into blocks, so that several passes over a block read memory once.

    Args:
        count: the number of rows.
        width: elements read per row.
        like: a tensor on the device of the rows.
    """
    size = max(1, (_BLOCK if like.device.type == "cpu" else _LARGE_BLOCK) // max(1, width))
    return (slice(first, min(first + size, count)) for first in range(0, count, size))


def bucket_sizes(count: int, largest: int) -> list[int]:
    """Split a number of rows into blocks of recurring sizes.

    The allocator can reuse memory if sizes recur. In a process that computes another number of rows in each
    step, a last block of arbitrary size would fragment the memory.

    Args:
        count: the number of rows.
        largest: rows per block, a power of two; the remainder is split into halves, quarters and so on.
    """
    sizes, left = [largest] * (count // largest), count % largest
    while largest > _FEW_ROWS:
        largest //= 2
        if left >= largest:
            sizes.append(largest)
            left -= largest
    return [*sizes, left] if left else sizes
