"""Memory that stays with the process from one step to the next."""

from pytorch_lightning import Callback, LightningModule, Trainer

from xcgraph.memory import keep_freed_memory, return_freed_memory


class KeptMemory(Callback):
    """Keeps freed memory in every process that trains or predicts, for as long as it does."""

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Keep it from now on."""
        del trainer, pl_module, stage
        keep_freed_memory()

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Give it back: what comes next needs it elsewhere, or in another process."""
        del trainer, pl_module, stage
        return_freed_memory()
