"""Memory that stays with the process from one step to the next."""

from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer

from xcgraph.memory import keep_freed_memory, resident_mib, return_freed_memory, trim_memory

# What cannot be used again grows from step to step; a small process has none of it that would matter.
_STEPS_PER_TRIM = 100
_LARGE_MIB = 1024


class KeptMemory(Callback):
    """Keeps freed memory in every process that trains or predicts, for as long as it does."""

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Keep it from now on."""
        del trainer, pl_module, stage
        keep_freed_memory()

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,  # noqa: ANN401 - Lightning's
        batch: Any,  # noqa: ANN401 - Lightning's
        batch_idx: int,
    ) -> None:
        """Give back, now and then, what large tensors of changing sizes have left in holes."""
        del trainer, pl_module, outputs, batch
        if (batch_idx + 1) % _STEPS_PER_TRIM == 0 and resident_mib() > _LARGE_MIB:
            trim_memory()

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Give it back: what comes next needs it elsewhere, or in another process."""
        del trainer, pl_module, stage
        return_freed_memory()
