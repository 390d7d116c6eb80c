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
from pathlib import Path

import numpy as np

from xcgraph.memory import keep_freed_memory, return_freed_memory


def use(mib, each=16):
    # Hold so much at once, in arrays of so many MiB, and free it.
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
def test_kept_memory_is_handed_out_once_and_goes_back_at_the_end():
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
def test_large_arrays_are_kept_if_asked_for(large):
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


@GLIBC
def test_memory_is_kept_while_a_trainer_is_at_work_and_given_back():
    assert_in_a_fresh_process("""
from pytorch_lightning import LightningModule, Trainer

from xcgraph.training.callbacks import KeptMemory

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
def test_large_tensors_are_kept_where_steps_have_the_same():
    assert_in_a_fresh_process("""
from types import SimpleNamespace

from xcgraph.training.callbacks import KeptMemory

all_labels = SimpleNamespace(shared=None, label_ids=None)
of_shortlists = SimpleNamespace(shared=None, label_ids=[3, 5])
of_shared = SimpleNamespace(shared=[3, 5], label_ids=[3, 5])
callback = KeptMemory()


def is_kept(hook, batch):
    callback.setup(None, None, "fit")
    anew = faults(each=128)
    hook(None, None, batch, 0)
    use(256, each=128)
    again = faults(each=128)
    callback.teardown(None, None, "fit")
    return again < anew / 10


assert is_kept(callback.on_train_batch_start, all_labels)
assert is_kept(callback.on_train_batch_start, of_shortlists)
assert not is_kept(callback.on_train_batch_start, of_shared)
assert is_kept(callback.on_predict_batch_start, all_labels)
assert not is_kept(callback.on_predict_batch_start, of_shortlists)
""")


def test_peak_is_what_was_held():
    array = np.ones(64 * MIB, np.uint8)
    assert peak_memory_mib() > 64
    assert len(array) == 64 * MIB
