"""Memory that stays with the process from one step to the next."""

from pytorch_lightning import Callback, LightningModule, Trainer

from xcgraph.batch import XCBatch
from xcgraph.memory import keep_freed_memory, return_freed_memory


class KeptMemory(Callback):
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
