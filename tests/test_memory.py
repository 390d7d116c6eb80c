"""Kept memory is looked at in processes of its own: one that was out of memory before allocates elsewhere."""

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

import numpy as np

from xcgraph.memory import keep_freed_memory, resident_mib, return_freed_memory


def use(mib, each=16):
    # Hold so much at once, in arrays of so many MiB, and free it.
    [np.ones(each << 20, np.uint8) for _ in range(mib // each)]


def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    use(256)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


"""


def assert_in_a_fresh_process(script):
    done = subprocess.run([sys.executable, "-c", MEASURED + script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@GLIBC
def test_kept_memory_is_handed_out_once_and_goes_back_at_the_end():
    assert_in_a_fresh_process("""
return_freed_memory()
faults()
anew = faults()
keep_freed_memory()
faults()
kept = faults()
assert kept < anew / 10, (kept, anew)
before = resident_mib()
return_freed_memory()
assert resident_mib() < before - 200
assert faults() > 10 * kept
""")


@GLIBC
def test_large_arrays_are_kept_too():
    assert_in_a_fresh_process("""
keep_freed_memory()
use(256, each=128)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
use(256, each=128)
assert resource.getrusage(resource.RUSAGE_SELF).ru_minflt < before + 1000
before = resident_mib()
return_freed_memory()
assert resident_mib() < before - 200
use(256, each=128)
assert resident_mib() < before - 200
""")


@GLIBC
def test_memory_is_kept_while_a_trainer_is_at_work_and_given_back():
    assert_in_a_fresh_process("""
from pytorch_lightning import LightningModule, Trainer

from xcgraph.pipeline.kept_memory import KeptMemory

callback, trainer = KeptMemory(), Trainer(logger=False, enable_checkpointing=False)
callback.teardown(trainer, LightningModule(), "fit")
before = resident_mib()
callback.setup(trainer, LightningModule(), "fit")
use(256)
assert resident_mib() > before + 200
callback.teardown(trainer, LightningModule(), "fit")
assert resident_mib() < before + 50
""")


@GLIBC
def test_holes_are_given_back_now_and_then_while_a_large_process_trains():
    assert_in_a_fresh_process("""
from pytorch_lightning import LightningModule, Trainer

from xcgraph.pipeline import kept_memory

callback = kept_memory.KeptMemory()
places = Trainer(logger=False, enable_checkpointing=False), LightningModule()
callback.setup(*places, "fit")
use(256)
before = resident_mib()
callback.on_train_batch_end(*places, None, None, 99)
assert resident_mib() > before - 50
kept_memory._LARGE_MIB = before - 50
callback.on_train_batch_end(*places, None, None, 98)
assert resident_mib() > before - 50
callback.on_train_batch_end(*places, None, None, 99)
assert resident_mib() < before - 200
""")


def test_peak_is_what_was_held():
    array = np.ones(64 * MIB, np.uint8)
    assert peak_memory_mib() > 64
    assert len(array) == 64 * MIB
