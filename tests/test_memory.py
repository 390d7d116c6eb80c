"""Tests of kept memory run in new processes, because earlier allocations change the behaviour of malloc."""

import ctypes
import subprocess
import sys

import numpy as np
import pytest

from xcgraph.memory import peak_memory_mib

MIB = 1 << 20
GLIBC = pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="the C library is not glibc")
MEASURED = """
import resource
from pathlib import Path

import numpy as np

from xcgraph.memory import keep_freed_memory, return_freed_memory


def use(mib, each=16):
    # Allocate this much memory in arrays of ``each`` MiB, and free it.
    [np.ones(each << 20, np.uint8) for _ in range(mib // each)]


def faults(each=16):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    use(256, each)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def resident_mib():
    return int(Path("/proc/self/statm").read_text("utf-8").split()[1]) * resource.getpagesize() >> 20
"""


def assert_in_a_fresh_process(script):
    done = subprocess.run([sys.executable, "-c", MEASURED + script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@GLIBC
def test_kept_memory_is_reused_and_then_returned():
    assert_in_a_fresh_process("""
return_freed_memory()
faults()
anew = faults()
keep_freed_memory(large=False)
faults()
kept = faults()
assert kept < anew / 10, (kept, anew)
before = resident_mib()
return_freed_memory()
assert resident_mib() < before - 200
assert faults() > 10 * kept
""")


@GLIBC
@pytest.mark.parametrize("large", [False, True])
def test_large_arrays_are_kept_on_request(large):
    assert_in_a_fresh_process(f"""
keep_freed_memory(large={large})
use(256, each=128)
before = resident_mib()
assert (faults(each=128) < 30) == {large}  # else a hundred, even if pages have 2 MiB
return_freed_memory()
assert (resident_mib() < before - 200) == {large}
faults(each=128)
assert resident_mib() < before + 50 - 250 * {large}
""")


def test_peak_memory_includes_freed_arrays():
    array = np.ones(64 * MIB, np.uint8)
    assert peak_memory_mib() > 64
    assert len(array) == 64 * MIB
