"""How much memory this process has taken, and what becomes of what it frees."""

import ctypes
import resource
from pathlib import Path

# What mallopt sets: numbers of glibc's malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -3, -4
_LARGEST_KEPT = 32 << 20  # the most that glibc takes as threshold; it stops adapting one that was set
_MMAP_MAX_DEFAULT = 1 << 16


def peak_memory_mib() -> int:
    """Return the most memory that this process has held so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024  # Linux counts in KiB


def resident_mib() -> int:
    """Return the memory that this process holds now, in MiB; 0 where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    except OSError:
        return 0
    return pages * resource.getpagesize() >> 20


def keep_freed_memory() -> None:
    """Let freed memory serve what is allocated next.

    Otherwise glibc gives each large tensor back, and the system hands out its pages one by one, zeroed, when
    the next step asks for as many. What is kept is of use where sizes come again: large tensors whose size
    is another in each step leave holes that the next ones do not fit, for :func:`trim_memory` to give back.
    With another C library, nothing changes.
    """
    _set({_MMAP_MAX: 0, _TRIM_THRESHOLD: -1})


def return_freed_memory() -> None:
    """Give back to the system what is free, now and, above some MiB, from now on."""
    _set({_MMAP_MAX: _MMAP_MAX_DEFAULT, _MMAP_THRESHOLD: _LARGEST_KEPT, _TRIM_THRESHOLD: 2 * _LARGEST_KEPT})
    trim_memory()


def trim_memory() -> None:
    """Give back to the system what is free now."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(ctypes.c_size_t(0))


def _set(values: dict[int, int]) -> None:
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for name, value in values.items():
            mallopt(name, value)
