import pytest
import torch
from pytorch_lightning import LightningModule, Trainer

from xcgraph.errors import UserError
from xcgraph.training.callbacks import MatmulPrecision


@pytest.fixture
def restored():
    before = torch.get_float32_matmul_precision()
    yield
    torch.set_float32_matmul_precision(before)


@pytest.mark.usefixtures("restored")
@pytest.mark.parametrize("value", ["highest", "high", "medium"])
def test_sets_what_it_was_told(value, tmp_path):
    torch.set_float32_matmul_precision("high" if value == "highest" else "highest")
    trainer = Trainer(logger=False, default_root_dir=tmp_path)
    MatmulPrecision(value).setup(trainer, LightningModule(), "fit")
    assert torch.get_float32_matmul_precision() == value


def test_unknown_value():
    with pytest.raises(UserError, match="one of highest, high, medium, got bf16"):
        MatmulPrecision("bf16")
