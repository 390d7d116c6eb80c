"""How much memory this process has taken, and what becomes of what it frees."""

import ctypes
import resource

# What mallopt sets: numbers of glibc's malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -3, -4
_LARGEST_KEPT = 32 << 20  # the most that glibc takes as threshold; it stops adapting one that was set
_MMAP_MAX_DEFAULT = 1 << 16


def peak_memory_mib() -> int:
    """Return the most memory that this process has held so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024  # Linux counts in KiB


def keep_freed_memory(*, large: bool) -> None:
    """Let freed memory serve what is allocated next.

    Otherwise glibc gives each large tensor back, and the system hands out its pages one by one, zeroed, when
    the next step asks for as many. With another C library, nothing changes.

    Args:
        large: whether what has more than 32 MiB is kept, too. It is of use where sizes come again: tensors of
            another size in each step leave holes that the next ones do not fit, and these grow.
    """
    mapped = 0 if large else _MMAP_MAX_DEFAULT
    _set({_MMAP_MAX: mapped, _MMAP_THRESHOLD: _LARGEST_KEPT, _TRIM_THRESHOLD: -1})


def return_freed_memory() -> None:
    """Give back to the system what is free, now and, above some MiB, from now on."""
    _set({_MMAP_MAX: _MMAP_MAX_DEFAULT, _MMAP_THRESHOLD: _LARGEST_KEPT, _TRIM_THRESHOLD: 2 * _LARGEST_KEPT})
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(ctypes.c_size_t(0))


def _set(values: dict[int, int]) -> None:
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for name, value in values.items():
            mallopt(name, value)
