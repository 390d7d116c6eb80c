from unittest.mock import create_autospec

import pytest
import torch
from pytorch_lightning import LightningModule, Trainer

from xcgraph.errors import UserError
from xcgraph.training.callbacks import CloneSparseGradients, MatmulPrecision

from ..test_memory import GLIBC, assert_in_a_fresh_process


@pytest.fixture
def restored():
    before = torch.get_float32_matmul_precision()
    yield
    torch.set_float32_matmul_precision(before)


@pytest.mark.usefixtures("restored")
@pytest.mark.parametrize("value", ["highest", "high", "medium"])
def test_matmul_precision_is_set(value, tmp_path):
    torch.set_float32_matmul_precision("high" if value == "highest" else "highest")
    trainer = Trainer(logger=False, default_root_dir=tmp_path)
    MatmulPrecision(value).setup(trainer, LightningModule(), "fit")
    assert torch.get_float32_matmul_precision() == value


def test_unknown_matmul_precision_is_refused():
    with pytest.raises(UserError, match="one of highest, high, medium, got bf16"):
        MatmulPrecision("bf16")


@GLIBC
def test_malloc_tuning_keeps_memory_during_training():
    assert_in_a_fresh_process("""
from pytorch_lightning import LightningModule, Trainer

from xcgraph.training.callbacks import MallocTuning

callback, trainer = MallocTuning(), Trainer(logger=False, enable_checkpointing=False)
callback.teardown(trainer, LightningModule(), "fit")
before = resident_mib()
callback.setup(trainer, LightningModule(), "fit")
use(256)
assert resident_mib() > before + 200
callback.teardown(trainer, LightningModule(), "fit")
assert resident_mib() < before + 50
""")


@GLIBC
def test_malloc_tuning_keeps_large_tensors_of_recurring_sizes():
    assert_in_a_fresh_process("""
from types import SimpleNamespace

from xcgraph.training.callbacks import MallocTuning

all_labels = SimpleNamespace(shared=None, label_ids=None)
of_shortlists = SimpleNamespace(shared=None, label_ids=[3, 5])
of_shared = SimpleNamespace(shared=[3, 5], label_ids=[3, 5])
callback = MallocTuning()


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


@pytest.mark.parametrize("world_size", [1, 2])
def test_clone_sparse_gradients_copies_gradients_of_shared_trainings(world_size):
    module, trainer = LightningModule(), create_autospec(Trainer, instance=True)
    module.table = torch.nn.Embedding(3, 2, sparse=True)
    trainer.world_size = world_size
    callback = CloneSparseGradients()
    callback.on_train_start(trainer, module)
    gradient = torch.ones(2, 2)
    module.table(torch.tensor([0, 2])).backward(gradient)
    shared = module.table.weight.grad._values().data_ptr() == gradient.data_ptr()
    assert shared == (world_size == 1)
    callback.on_train_end(trainer, module)
    assert not module.table._forward_hooks
