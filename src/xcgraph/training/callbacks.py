"""Memory that stays with the process from one step to the next."""

import os

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from xcgraph.batch import XCBatch
from xcgraph.errors import UserError
from xcgraph.memory import keep_freed_memory, return_freed_memory


class MallocTuning(Callback):
    """Keeps freed memory in every process that trains or predicts, for as long as it does.

    Large tensors are kept where each step has them in the sizes of the one before: scores of all labels, and
    label vectors that are trained, which come in blocks.
    """

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Keep it from now on."""
        del trainer, pl_module, stage
        keep_freed_memory(large=False)

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: XCBatch, batch_idx: int
    ) -> None:
        """Keep large tensors too, but for steps that score as many labels as their points share."""
        del trainer, pl_module
        if batch_idx == 0:
            keep_freed_memory(large=batch.shared is None)

    def on_predict_batch_start(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        batch: XCBatch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Keep large tensors too where all labels are scored; shortlists have more or fewer each time."""
        del trainer, pl_module, dataloader_idx
        if batch_idx == 0:
            keep_freed_memory(large=batch.label_ids is None)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Give it back: what comes next needs it elsewhere, or in another process."""
        del trainer, pl_module, stage
        return_freed_memory()


class CloneSparseGradients(Callback):
    """Gives sparse gradients of embeddings memory of their own, where processes share a training.

    ``nn.Embedding`` takes the gradient of its output as it is for the values of its sparse gradient, and DDP
    divides and adds these in place. A fusion that sums hands the same gradient to its other views, which are
    still to be differentiated.
    """

    def __init__(self) -> None:
        self._hooks: list[RemovableHandle] = []

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Copy them from now on."""
        if trainer.world_size > 1:
            tables = (part for part in pl_module.modules() if isinstance(part, nn.Embedding) and part.sparse)
            self._hooks = [table.register_forward_hook(_copy_gradient) for table in tables]

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Leave them as they are."""
        del trainer, pl_module
        while self._hooks:
            self._hooks.pop().remove()


def _copy_gradient(module: nn.Module, arguments: tuple[Tensor], vectors: Tensor) -> None:
    del module, arguments
    if vectors.requires_grad:
        vectors.register_hook(Tensor.clone)


_PRECISIONS = ("highest", "high", "medium")


class MatmulPrecision(Callback):
    """Sets torch's ``float32_matmul_precision`` in every process that trains or predicts.

    "medium" permits bfloat16 factors with float32 sums on processors with AMX and TF32 on tensor cores. On
    other x86 processors with AVX-512 it only chooses kernels that are faster there, with float32 factors.

    Args:
        value: "highest", "high" or "medium".

    Raises:
        UserError: it is none of these.
    """

    def __init__(self, value: str) -> None:
        if value not in _PRECISIONS:
            raise UserError(f"matmul_precision must be one of {', '.join(_PRECISIONS)}, got {value}.")
        self._value = value

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Set it for this process, for what is computed from now on."""
        del trainer, pl_module, stage
        # Each batch has another number of distinct labels. oneDNN keeps code and buffers for 1,024 shapes,
        # unless told otherwise before its first product: gigabytes, of shapes that never return.
        os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "16")
        torch.set_float32_matmul_precision(self._value)
