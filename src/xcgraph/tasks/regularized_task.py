"""ECLARE's Module I with graph regularizers, for example in place of a graph convolution."""

from collections.abc import Iterator
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.data import DataLoader

from xcgraph.batch import XCBatch
from xcgraph.data.batching import AllLabelsDataset
from xcgraph.nn.contrast import EncodedRows
from xcgraph.nn.dual_encoder import DualEncoder
from xcgraph.nn.label_text import StoredTexts
from xcgraph.nn.regularizer import Regularizer
from xcgraph.tasks.step import Step
from xcgraph.tasks.task import Task
from xcgraph.tasks.xc_task import XCTask

# Number of points per block when all points are encoded.
_BLOCK = 4096


def encode_points(encoder: DualEncoder, batch: XCBatch, step: Step | None = None) -> EncodedRows:
    """Encode the points of a batch, which is this process's part of a step.

    Raises:
        ValueError: the batch has no row numbers of its points.
    """
    if batch.rows is None:
        raise ValueError("Graph regularizers need the row of each point: use batches of AllLabelsDataset.")
    vectors = encoder(batch.tokens)
    if step is None or step.num_processes == 1:
        return EncodedRows(batch.rows, vectors)
    everyone = step.gather(batch.rows)
    return EncodedRows(batch.rows, vectors, everyone, step.local_ids(everyone)[1])


def start_epoch(task: Task, regularizer: Regularizer, encoder: DualEncoder, label_texts: StoredTexts) -> None:
    """Start the epoch of a regularizer, with the encoder in eval mode and all points and labels."""

    def points() -> Iterator[EncodedRows]:
        dataset = cast(AllLabelsDataset, cast(DataLoader, task.trainer.train_dataloader).dataset)
        for rows in torch.arange(len(dataset)).split(_BLOCK):
            yield encode_points(encoder, dataset[rows.numpy()].to(task.device))

    def labels() -> Iterator[EncodedRows]:
        vectors = encoder.in_blocks(label_texts())
        yield EncodedRows(torch.arange(len(vectors), device=task.device), vectors)

    task.eval()
    regularizer.start_epoch(task.current_epoch, encoder, points, labels)
    task.train()


class RegularizedTask(XCTask):
    """Learn to score (meta-)labels while regularizers pull points and labels towards their anchors.

    The regularizers use text embeddings at unit norm, which points and label texts share. The batches of
    Module I hold meta-labels instead of labels. Each step thus draws as many labels as points at random.

    Args:
        task: the task to regularize; its parts become the parts of this task.
        regularizer: Σ λ R.
        label_texts: the texts of all labels.
    """

    def __init__(self, task: XCTask, regularizer: Regularizer, label_texts: StoredTexts) -> None:
        super().__init__(task.encoder, task.labels, task.classifier, task.likelihood)
        self.regularizer = regularizer
        self.label_texts = label_texts

    def training_step(self, batch: XCBatch) -> Float[Tensor, ""]:
        """Return the loss of a batch plus Σ λ R."""
        scores, step = self(batch), self.step_of(batch)
        encoder = DualEncoder(self.encoder)
        points, labels = encode_points(encoder, batch, step), self._draw_labels(encoder, step)
        with self.shared_rng():
            penalty: Tensor = self.regularizer(encoder, points, labels)
            self.regularizer.update(lambda: step.reduce_mean(_precision(scores, batch.positives)))
        penalty = step.scale_loss(penalty)
        loss = step.scale_loss(self.loss(scores, batch, step)) + penalty
        self.log_loss(step, loss=loss, penalty=penalty)
        return loss

    def on_train_epoch_start(self) -> None:
        """Let the regularizer prune its edges."""
        start_epoch(self, self.regularizer, DualEncoder(self.encoder), self.label_texts)

    def _draw_labels(self, encoder: DualEncoder, step: Step) -> EncodedRows:
        with self.shared_rng():
            drawn = torch.randint(len(self.label_texts), (step.size,), device=self.device)
        own, first = step.local_ids(drawn)
        return EncodedRows(own, encoder(self.label_texts(own)), drawn, first)


def _precision(scores: Tensor, positives: Tensor) -> Float[Tensor, ""]:
    """Return the share of points whose best label is positive."""
    best = scores.argmax(dim=1)
    hits = best[positives[:, 0]] == positives[:, 1]
    return hits.sum() / len(scores)
