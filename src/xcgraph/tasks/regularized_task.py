"""ECLARE's Module I with graph regularizers, for example instead of a graph convolution."""

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

# Points that are encoded at a time where all are.
_BLOCK = 4096


def encode_points(encoder: DualEncoder, batch: XCBatch, step: Step | None = None) -> EncodedRows:
    """Encode the points of a batch, which is a process's share of a step.

    Raises:
        ValueError: the batch does not say which points they are.
    """
    if batch.rows is None:
        raise ValueError("Graph regularizers need points that know their row: batches of FullTargets.")
    vectors = encoder(batch.tokens)
    if step is None or step.num_processes == 1:
        return EncodedRows(batch.rows, vectors)
    everyone = step.gather(batch.rows)
    return EncodedRows(batch.rows, vectors, everyone, step.local_ids(everyone)[1])


def start_epoch(task: Task, regularizer: Regularizer, encoder: DualEncoder, label_texts: StoredTexts) -> None:
    """Show a regularizer the encoder without dropout, and what it asks for of points and labels."""

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
        with self.shared_rng():
            penalty: Tensor = self.regularizer(encoder, points, labels)
            self.regularizer.update(lambda: step.reduce_mean(_precision(scores, batch.positives)))
        penalty = step.scale_loss(penalty)
        loss = step.scale_loss(self.loss(scores, batch, step)) + penalty
        self.log_loss(step, loss=loss, penalty=penalty)
        return loss

    def on_train_epoch_start(self) -> None:
        """Let the regularizer prune."""
        start_epoch(self, self.regularizer, DualEncoder(self.encoder), self.label_texts)

    def _draw_labels(self, encoder: DualEncoder, step: Step) -> EncodedRows:
        with self.shared_rng():
            drawn = torch.randint(len(self.label_texts), (step.size,), device=self.device)
        own, first = step.local_ids(drawn)
        return EncodedRows(own, encoder(self.label_texts(own)), drawn, first)


def _precision(scores: Tensor, positives: Tensor) -> Float[Tensor, ""]:
    """Return the share of points whose best label is true."""
    best = scores.argmax(dim=1)
    hits = best[positives[:, 0]] == positives[:, 1]
    return hits.sum() / len(scores)
