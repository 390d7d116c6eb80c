import ctypes
import resource
from pathlib import Path

import numpy as np
import pytest

from xcgraph.memory import keep_freed_memory, peak_memory_mib, return_freed_memory

MIB = 1 << 20


@pytest.fixture
def _glibc():
    if not hasattr(ctypes.CDLL(None), "mallopt"):
        pytest.skip("the C library is not glibc")
    yield
    return_freed_memory()


def faults_of_allocating(mib):
    """Fill so much memory, free it, and count the pages that the system had to hand out."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.ones(mib * MIB, np.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def resident_mib():
    pages = int(Path("/proc/self/statm").read_text("utf-8").split()[1])
    return pages * resource.getpagesize() // MIB


@pytest.mark.usefixtures("_glibc")
def test_kept_memory_is_handed_out_once_and_goes_back_at_the_end():
    return_freed_memory()
    faults_of_allocating(256)
    anew = faults_of_allocating(256)
    keep_freed_memory()
    faults_of_allocating(256)
    kept = faults_of_allocating(256)
    assert kept < anew / 10

    before = resident_mib()
    return_freed_memory()
    assert resident_mib() < before - 200
    assert faults_of_allocating(256) > 10 * kept


def test_peak_is_what_was_held():
    array = np.ones(64 * MIB, np.uint8)
    assert peak_memory_mib() > 64
    assert len(array) == 64 * MIB
