"""How much memory this process has taken."""

import resource


def peak_memory_mib() -> int:
    """Return the most memory that this process has held so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024  # Linux counts in KiB
