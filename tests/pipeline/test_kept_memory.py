import ctypes
import resource
from pathlib import Path

import numpy as np
import pytest
from pytorch_lightning import LightningModule, Trainer

from xcgraph.pipeline.kept_memory import KeptMemory

MIB = 1 << 20


def resident_mib():
    pages = int(Path("/proc/self/statm").read_text("utf-8").split()[1])
    return pages * resource.getpagesize() // MIB


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="the C library is not glibc")
def test_keeps_memory_while_it_trains_and_gives_it_back(tmp_path):
    callback, trainer = KeptMemory(), Trainer(logger=False, default_root_dir=tmp_path)
    callback.teardown(trainer, LightningModule(), "fit")
    before = resident_mib()

    callback.setup(trainer, LightningModule(), "fit")
    np.ones(256 * MIB, np.uint8)
    assert resident_mib() > before + 200

    callback.teardown(trainer, LightningModule(), "fit")
    assert resident_mib() < before + 50
