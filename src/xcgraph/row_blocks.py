"""Rows in blocks that a processor's cache holds."""

from collections.abc import Iterator

from torch import Tensor

# Elements of a block. On a CPU, it and what is computed of it stay in the cache of a core; an accelerator
# waits for calls sooner than for memory, of which a block takes 256 MiB there.
_BLOCK, _LARGE_BLOCK = 1 << 17, 1 << 26


def row_blocks(count: int, width: int, like: Tensor) -> Iterator[slice]:
    """Cut rows into blocks, so that a chain of passes over them reads memory once.

    Args:
        count: the number of rows.
        width: elements that are read in a row.
        like: a tensor on the device.
    """
    size = max(1, (_BLOCK if like.device.type == "cpu" else _LARGE_BLOCK) // max(1, width))
    return (slice(first, min(first + size, count)) for first in range(0, count, size))
