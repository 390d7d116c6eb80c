"""Callbacks for memory, sparse gradients and matrix precision, in every process that trains or predicts."""

import os

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from xcgraph.batch import XCBatch
from xcgraph.errors import UserError
from xcgraph.memory import keep_freed_memory, return_freed_memory

_PRECISIONS = ("highest", "high", "medium")


class MallocTuning(Callback):
    """Keeps freed memory in the process while it trains or predicts, for the next step.

    Large tensors are kept only if their sizes recur from step to step: scores of all labels, and trained
    label vectors, which are computed in blocks.
    """

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Start to keep small and medium tensors."""
        del trainer, pl_module, stage
        keep_freed_memory(large=False)

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: XCBatch, batch_idx: int
    ) -> None:
        """Keep large tensors too, unless the number of scored labels differs from step to step."""
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
        """Keep large tensors too if all labels are scored; the sizes of shortlists differ."""
        del trainer, pl_module, dataloader_idx
        if batch_idx == 0:
            keep_freed_memory(large=batch.label_ids is None)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Return free memory to the system, for the next stage or another process."""
        del trainer, pl_module, stage
        return_freed_memory()


class CloneSparseGradients(Callback):
    """Copies the sparse gradients of embeddings if several processes share a training.

    ``nn.Embedding`` uses the gradient of its output, without a copy, as the values of its sparse gradient,
    and DDP changes these values in place. A fusion that sums its views passes the same gradient to its other
    views, whose backward pass is still to come.
    """

    def __init__(self) -> None:
        self._hooks: list[RemovableHandle] = []

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Register the hooks that copy."""
        if trainer.world_size > 1:
            tables = (part for part in pl_module.modules() if isinstance(part, nn.Embedding) and part.sparse)
            self._hooks = [table.register_forward_hook(_copy_gradient) for table in tables]

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Remove the hooks."""
        del trainer, pl_module
        while self._hooks:
            self._hooks.pop().remove()


def _copy_gradient(module: nn.Module, arguments: tuple[Tensor], vectors: Tensor) -> None:
    del module, arguments
    if vectors.requires_grad:
        vectors.register_hook(Tensor.clone)


class MatmulPrecision(Callback):
    """Sets torch's ``float32_matmul_precision``.

    "medium" allows bfloat16 factors with float32 sums on processors with AMX, and TF32 on tensor cores. On
    other x86 processors with AVX-512 it only selects faster kernels with float32 factors.

    Args:
        value: "highest", "high" or "medium".

    Raises:
        UserError: the value is not one of these.
    """

    def __init__(self, value: str) -> None:
        if value not in _PRECISIONS:
            raise UserError(f"matmul_precision must be one of {', '.join(_PRECISIONS)}, got {value}.")
        self._value = value

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Set the precision of this process."""
        del trainer, pl_module, stage
        # The number of distinct labels differs from batch to batch. By default, oneDNN keeps code and buffers
        # of 1,024 shapes, which are gigabytes for shapes that do not recur. It reads this variable once,
        # before its first product.
        os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "16")
        torch.set_float32_matmul_precision(self._value)
