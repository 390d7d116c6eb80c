"""Measure the peak memory of this process, and control whether freed memory stays in it."""

import ctypes
import resource

# Parameters of mallopt, from malloc.h of glibc.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -3, -4
_LARGEST_KEPT = 32 << 20  # the largest threshold that glibc accepts; a set threshold no longer adapts
_MMAP_MAX_DEFAULT = 1 << 16


def peak_memory_mib() -> int:
    """Return the peak memory of this process in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024  # Linux counts in KiB


def keep_freed_memory(*, large: bool) -> None:
    """Keep freed memory in the process for later allocations.

    By default, glibc returns each large tensor to the system. The next step then gets the same memory back
    page by page, filled with zeros, which is slow. With another C library, this function does nothing.

    Args:
        large: whether to keep blocks of more than 32 MiB, too. This helps when tensor sizes repeat; with
            varying sizes it fragments the heap.
    """
    mapped = 0 if large else _MMAP_MAX_DEFAULT
    _set({_MMAP_MAX: mapped, _MMAP_THRESHOLD: _LARGEST_KEPT, _TRIM_THRESHOLD: -1})


def return_freed_memory() -> None:
    """Return free memory to the system, now and whenever more than a few MiB are free."""
    _set({_MMAP_MAX: _MMAP_MAX_DEFAULT, _MMAP_THRESHOLD: _LARGEST_KEPT, _TRIM_THRESHOLD: 2 * _LARGEST_KEPT})
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(ctypes.c_size_t(0))


def _set(values: dict[int, int]) -> None:
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for name, value in values.items():
            mallopt(name, value)
