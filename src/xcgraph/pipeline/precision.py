"""How exactly products of single-precision matrices are computed."""

import os

import torch
from pytorch_lightning import Callback, LightningModule, Trainer

from xcgraph.errors import UserError

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
