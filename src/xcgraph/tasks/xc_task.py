"""The one LightningModule: an encoder, a label-graph layer and a classifier, trained in every stage."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import torch
from jaxtyping import Float, Int
from pytorch_lightning import LightningModule
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from xcgraph.batch import XCBatch
from xcgraph.metrics.xc_metrics import XCMetrics
from xcgraph.nn.classifier import LabelClassifier, binary_loss
from xcgraph.nn.encoder import Encoder
from xcgraph.optim import Schedule

Part = TypeVar("Part")


@dataclass(frozen=True)
class Learning:
    """How a task learns.

    Attributes:
        optimizer: makes the optimizer of a module.
        schedule: learning rate over time.
        max_epochs: length of the training.
        seed: of dropout.
    """

    optimizer: Callable[[nn.Module], Optimizer]
    schedule: Schedule
    max_epochs: int
    seed: int


class XCTask(LightningModule):
    """Score labels for points; which labels, and what a label is, the batch and the parts decide.

    Args:
        encoder: text of a point → x̂.
        label_graph: label → views of its text and of its neighbours' texts.
        classifier: views → w_l, and ⟨w_l, x̂⟩.

    Attributes:
        top_k: how many labels :meth:`predict_step` returns for a point.
    """

    top_k: int = 100

    def __init__(self, encoder: Encoder, label_graph: nn.Module, classifier: LabelClassifier) -> None:
        super().__init__()
        self.encoder = encoder
        self.label_graph = label_graph
        self.classifier = classifier
        self._label_vectors: Tensor | None = None
        self._learning: Learning | None = None
        self._metrics: XCMetrics | None = None

    def prepare(self, learning: Learning, metrics: XCMetrics) -> None:
        """Say how to learn and what to measure on validation points; to predict, neither is needed."""
        self._learning = learning
        self._metrics = metrics
        self._label_vectors = None  # an interrupted pass may have left them

    def label_vectors(self, label_ids: Int[Tensor, "labels"] | None = None) -> Float[Tensor, "labels dim"]:
        """Return w_l of the given labels, or of all."""
        views: Tensor = self.label_graph(label_ids)
        return self.classifier.vectors(views, label_ids)

    def forward(self, batch: XCBatch) -> Float[Tensor, "batch width"]:
        """Score each point against its shortlist, or against all labels if the batch has none."""
        points = self.encoder(batch.tokens)
        label_ids = None if batch.shortlist is None else batch.shortlist.label_ids
        if self._label_vectors is None:
            vectors = self.label_vectors(label_ids)
        else:
            vectors = self._label_vectors if label_ids is None else self._label_vectors[label_ids]
        scores: Tensor = self.classifier(points, vectors, batch.shortlist)
        return scores

    def training_step(self, batch: XCBatch) -> Float[Tensor, ""]:
        """Return the loss of a batch."""
        loss = binary_loss(self(batch), batch.positives)
        self.log("train/loss", loss, on_step=False, on_epoch=True, batch_size=len(batch))
        return loss

    def validation_step(self, batch: XCBatch) -> None:
        """Rank labels and count hits."""
        metrics = _required(self._metrics)
        most_filtered = int(batch.filtered.offsets.diff().max())
        ranked, _ = self._rank(batch, max(metrics.top_k) + most_filtered)
        metrics.update(ranked, batch.truth, batch.filtered)

    def predict_step(self, batch: XCBatch) -> tuple[Int[Tensor, "batch k"], Float[Tensor, "batch k"]]:
        """Return each point's best labels (-1: fewer than k) and their log-probabilities.

        The log-probability is that of the meta-label plus that of the label: log σ(h_m·x̂) + log σ(w_l·x̂).
        """
        return self._rank(batch, self.top_k)

    def _rank(self, batch: XCBatch, top_k: int) -> tuple[Tensor, Tensor]:
        log_probability = functional.logsigmoid(self(batch).float())
        if batch.shortlist is not None:
            log_probability = log_probability + batch.shortlist.log_prior
        values, columns = log_probability.topk(min(top_k, log_probability.shape[1]), dim=1)
        if batch.shortlist is None:
            return columns, values
        labels = batch.shortlist.label_ids[batch.shortlist.positions.clamp(min=0)].gather(1, columns)
        return labels.masked_fill(values == -torch.inf, -1), values

    def on_train_batch_start(self, batch: XCBatch, batch_idx: int) -> None:
        """Seed each epoch by itself, so that a resumed run draws what an undisturbed one would have.

        Not before the first batch: a new loader draws a number too, in a resumed run earlier than otherwise.
        """
        del batch
        if batch_idx == 0:
            torch.manual_seed(_required(self._learning).seed * 1_000_003 + self.current_epoch)

    def on_validation_epoch_start(self) -> None:
        """Compute all label vectors once for the whole pass."""
        self._label_vectors = self.label_vectors()

    def on_validation_epoch_end(self) -> None:
        """Report the metrics as ``val/P@1`` and so on."""
        self._label_vectors = None
        metrics = _required(self._metrics)
        self.log_dict({f"val/{name}": value.float() for name, value in metrics.compute().items()})
        metrics.reset()

    def on_predict_start(self) -> None:
        """Compute all label vectors once for the whole pass."""
        self._label_vectors = self.label_vectors()

    def on_predict_end(self) -> None:
        """Forget the label vectors: training may go on."""
        self._label_vectors = None

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """Make the optimizer and the schedule, which moves with every step."""
        learning = _required(self._learning)
        optimizer = learning.optimizer(self)
        steps = self.trainer.estimated_stepping_batches / learning.max_epochs
        schedule = LambdaLR(optimizer, lambda step: learning.schedule(step / steps, learning.max_epochs))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def _required(part: Part | None) -> Part:
    if part is None:
        raise RuntimeError("Call XCTask.prepare before training or validating.")
    return part
