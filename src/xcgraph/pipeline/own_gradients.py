"""Gradients that processes may add to each other's in place."""

from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle


class OwnGradients(Callback):
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
