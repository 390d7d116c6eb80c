"""What tasks with graph regularizers do before an epoch."""

from collections.abc import Iterator
from typing import cast

import torch
from torch.utils.data import DataLoader

from xcgraph.batch import XCBatch
from xcgraph.data.batching import FullTargets
from xcgraph.nn.contrast import Encoded
from xcgraph.nn.dual_encoder import DualEncoder
from xcgraph.nn.label_text import StoredTexts
from xcgraph.nn.regularizer import Regularizer
from xcgraph.tasks.step import Step
from xcgraph.tasks.task import Task

# Points that are encoded at a time where all are.
_BLOCK = 4096


def encode_points(encoder: DualEncoder, batch: XCBatch, step: Step | None = None) -> Encoded:
    """Encode the points of a batch, which is a process's share of a step.

    Raises:
        ValueError: the batch does not say which points they are.
    """
    if batch.rows is None:
        raise ValueError("Graph regularizers need points that know their row: batches of FullTargets.")
    vectors = encoder(batch.tokens)
    if step is None or step.num_processes == 1:
        return Encoded(batch.rows, vectors)
    everyone = step.gather(batch.rows)
    return Encoded(batch.rows, vectors, everyone, step.own(everyone)[1])


def start_epoch(task: Task, regularizer: Regularizer, encoder: DualEncoder, label_texts: StoredTexts) -> None:
    """Show a regularizer the encoder without dropout, and what it asks for of points and labels."""

    def points() -> Iterator[Encoded]:
        dataset = cast(FullTargets, cast(DataLoader, task.trainer.train_dataloader).dataset)
        for rows in torch.arange(len(dataset)).split(_BLOCK):
            yield encode_points(encoder, dataset[rows.numpy()].to(task.device))

    def labels() -> Iterator[Encoded]:
        vectors = encoder.in_blocks(label_texts())
        yield Encoded(torch.arange(len(vectors), device=task.device), vectors)

    task.eval()
    regularizer.start_epoch(task.current_epoch, encoder, points, labels)
    task.train()
