"""RAMEN's LightningModule: it trains a dual encoder with triplets and graph regularizers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.sparse import csr_array
from torch import Tensor

from xcgraph.batch import XCBatch
from xcgraph.data.anchors import AnchorSet
from xcgraph.nn.contrast import ContrastLoss
from xcgraph.nn.dual_encoder import DualEncoder
from xcgraph.nn.encoder import Encoder
from xcgraph.nn.portable import LabelScorer, checked_encoder, to_array
from xcgraph.nn.regularizer import Regularizer
from xcgraph.nn.retrieval import ExactRetrieval, Retrieval, Search
from xcgraph.nn.triplet import TripletLoss
from xcgraph.tasks.regularization import Regularization, contrast
from xcgraph.tasks.regularized_task import encode_points, start_epoch
from xcgraph.tasks.task import Task


class DualTask(Task):
    """Rank labels by the cosine between their text and the text of a point, under one encoder.

    Graphs regularize the encoder in training; ranking needs no graph.

    Args:
        encoder: E.
        contrast: L, the loss between training points and their labels.
        regularizer: Σ λ R.
        retrieval: finds the labels nearest to a point.
    """

    def __init__(
        self, encoder: DualEncoder, contrast: ContrastLoss, regularizer: Regularizer, retrieval: Retrieval
    ) -> None:
        super().__init__()
        encoder.encoder.freeze_points()
        self.encoder = encoder
        self.contrast = contrast
        self.regularizer = regularizer
        self.retrieval = retrieval
        self._search: Search | None = None

    def label_vectors(self) -> Float[Tensor, "labels dim"]:
        """Return the vectors E(z_l) of all labels."""
        return self.encoder.in_blocks(self.contrast.texts())

    def training_step(self, batch: XCBatch) -> Float[Tensor, ""]:
        """Return L + Σ λ R for a batch of training points."""
        step = self.step_of(batch)
        points = encode_points(self.encoder, batch, step)
        with self.shared_rng():
            contrasted = self.contrast(self.encoder, points)
            penalty: Tensor = self.regularizer(self.encoder, points, step.local_slice(contrasted.others))
            self.regularizer.update(lambda: step.reduce_mean(contrasted.precision()))
        penalty = step.scale_loss(penalty)
        loss = step.scale_loss(contrasted.loss) + penalty
        self.log_loss(step, loss=loss, penalty=penalty)
        return loss

    def rank(self, batch: XCBatch, top_k: int) -> tuple[Int[Tensor, "batch k"], Float[Tensor, "batch k"]]:
        """Return each point's nearest labels and log((1 + cosine) / 2)."""
        search = self._search or self.retrieval.index(self.label_vectors())
        labels, cosines = search(self.encoder(batch.tokens), top_k)
        return labels, ((1 + cosines.clamp(-1, 1)) / 2).log()

    def on_train_epoch_start(self) -> None:
        """Let the regularizer prune its edges."""
        start_epoch(self, self.regularizer, self.encoder, self.contrast.texts)

    def on_validation_epoch_start(self) -> None:
        """Search exactly: an approximate index would have to be rebuilt in every epoch."""
        self._search = ExactRetrieval().index(self.label_vectors())

    def start_ranking(self) -> None:
        """Prepare the search among all labels."""
        self._search = self.retrieval.index(self.label_vectors())

    def stop_ranking(self) -> None:
        """Release the search."""
        self._search = None

    @torch.no_grad()
    def scoring(self) -> LabelScorer:
        """Return (1 + cosine) / 2 in the portable form, which searches exactly."""
        self.eval()
        return LabelScorer(
            encoder=checked_encoder(self.encoder.portable(), self.encoder, self.encoder.encoder),
            vectors=to_array(self.label_vectors()),
            bias=0.0,
            link="cosine",
        )


@dataclass(frozen=True, kw_only=True)
class DualNetwork:
    """The exchangeable parts of a dual encoder.

    Attributes:
        encoder: makes an encoder from the number of tokens.
        dropout: probability of dropout on the vectors before they are scaled to unit norm.
        triplets: the loss between points and labels.
        regularizer: makes the terms that graphs add to the loss.
        retrieval: finds the labels nearest to a point.
    """

    encoder: Callable[[int], Encoder]
    dropout: float
    triplets: TripletLoss
    regularizer: Regularization
    retrieval: Retrieval

    def check(self) -> DualTask:
        """Build a task of the smallest size, which refuses invalid values before any data is read.

        Raises:
            UserError: a part refuses a value.
        """
        one = csr_array(np.ones((1, 1), np.float32))
        return self.build(one, one, [AnchorSet(features=one, points=one, labels=one, anchor_labels=one)])

    def build(self, texts: csr_array, positives: csr_array, anchor_sets: Sequence[AnchorSet]) -> DualTask:
        """Build a task.

        Args:
            texts: (labels, tokens) label texts.
            positives: (training points, labels) the positives of L.
            anchor_sets: anchors of the regularizer.
        """
        encoder = DualEncoder(self.encoder(texts.shape[1]), dropout=self.dropout)
        regularizer = self.regularizer.build(anchor_sets)
        return DualTask(encoder, contrast(positives, texts, self.triplets), regularizer, self.retrieval)
