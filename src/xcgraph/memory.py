"""How much memory this process has taken, and what becomes of what it frees."""

import ctypes
import resource

# What mallopt sets: numbers of glibc's malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -3, -4


def peak_memory_mib() -> int:
    """Return the most memory that this process has held so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024  # Linux counts in KiB


def keep_freed_memory() -> None:
    """Let freed memory serve what is allocated next, however large.

    Otherwise glibc gives each large tensor back, and the system hands out its pages one by one, zeroed, when
    the next step asks for as many: a quarter of a training step. With another C library, nothing changes.
    """
    _set({_MMAP_MAX: 0, _TRIM_THRESHOLD: -1})


def return_freed_memory() -> None:
    """Give back to the system what is free, now and, above some MiB, from now on."""
    # The most that glibc allows itself; it stops adapting them once anything has been set.
    _set({_MMAP_MAX: 65_536, _MMAP_THRESHOLD: 32 << 20, _TRIM_THRESHOLD: 64 << 20})
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(ctypes.c_size_t(0))


def _set(values: dict[int, int]) -> None:
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for name, value in values.items():
            mallopt(name, value)
