"""ECLARE's Module I with graph regularizers, for example instead of a graph convolution."""

import torch
from jaxtyping import Float
from torch import Tensor

from xcgraph.batch import XCBatch
from xcgraph.nn.contrast import Encoded
from xcgraph.nn.dual_encoder import DualEncoder
from xcgraph.nn.label_text import StoredTexts
from xcgraph.nn.regularizer import Regularizer
from xcgraph.tasks.graph_epochs import encode_points, start_epoch
from xcgraph.tasks.step import Step
from xcgraph.tasks.xc_task import XCTask


class RegularizedTask(XCTask):
    """Learn to score (meta-)labels while points and labels are drawn to their anchors.

    The regularizers see embeddings of texts at unit norm, as the labels' texts share them with the points.
    Module I has no labels in its batches, only meta-labels: as many labels as points are drawn at random.

    Args:
        task: what learns; its parts are taken over.
        regularizer: Σ λ R.
        label_texts: the texts of all labels.
    """

    def __init__(self, task: XCTask, regularizer: Regularizer, label_texts: StoredTexts) -> None:
        super().__init__(task.encoder, task.label_graph, task.classifier, task.likelihood)
        self.regularizer = regularizer
        self.label_texts = label_texts

    def training_step(self, batch: XCBatch) -> Float[Tensor, ""]:
        """Return the loss of a batch and Σ λ R."""
        scores, step = self(batch), self.step_of(batch)
        encoder = DualEncoder(self.encoder)
        points, labels = encode_points(encoder, batch, step), self._draw_labels(encoder, step)
        with self.drawing_alike():
            penalty: Tensor = self.regularizer(encoder, points, labels)
            self.regularizer.observe(lambda: step.mean(_precision(scores, batch.positives)))
        penalty = step.weigh(penalty)
        loss = step.weigh(self.loss(scores, batch, step)) + penalty
        self.log_loss(step, loss=loss, penalty=penalty)
        return loss

    def on_train_epoch_start(self) -> None:
        """Let the regularizer prune."""
        start_epoch(self, self.regularizer, DualEncoder(self.encoder), self.label_texts)

    def _draw_labels(self, encoder: DualEncoder, step: Step) -> Encoded:
        with self.drawing_alike():
            drawn = torch.randint(len(self.label_texts), (step.size,), device=self.device)
        own, first = step.own(drawn)
        return Encoded(own, encoder(self.label_texts(own)), drawn, first)


def _precision(scores: Tensor, positives: Tensor) -> Float[Tensor, ""]:
    """Return the share of points whose best label is true."""
    best = scores.argmax(dim=1)
    hits = best[positives[:, 0]] == positives[:, 1]
    return hits.sum() / len(scores)
