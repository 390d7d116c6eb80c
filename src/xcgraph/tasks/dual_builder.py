"""From parts and data to a dual encoder's task."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from xcgraph.data.anchors import AnchorSet
from xcgraph.nn.dual_encoder import DualEncoder
from xcgraph.nn.encoder import Encoder
from xcgraph.nn.retrieval import Retrieval
from xcgraph.nn.triplet import TripletLoss
from xcgraph.tasks.dual_task import DualTask
from xcgraph.tasks.regularization import Regularization, contrast


@dataclass(frozen=True, kw_only=True)
class DualTaskBuilder:
    """The exchangeable parts of a dual encoder.

    Attributes:
        encoder: makes an encoder from the number of tokens.
        dropout: probability on the vectors before they are scaled to unit norm.
        triplets: the loss between points and labels.
        regularizer: what graphs add to it.
        retrieval: finds the labels nearest to a point.
    """

    encoder: Callable[[int], Encoder]
    dropout: float
    triplets: TripletLoss
    regularizer: Regularization
    retrieval: Retrieval

    def check(self) -> DualTask:
        """Build a task of the smallest size, so that a value no part can take is refused before data is read.

        Raises:
            UserError: a part refuses a value.
        """
        one = csr_array(np.ones((1, 1), np.float32))
        return self.build(one, one, [AnchorSet(features=one, points=one, labels=one, named=one)])

    def build(self, texts: csr_array, truth: csr_array, anchor_sets: Sequence[AnchorSet]) -> DualTask:
        """Make a task.

        Args:
            texts: (labels, tokens) label texts.
            truth: (training points, labels) what L takes for true.
            anchor_sets: what the regularizer draws points and labels to.
        """
        encoder = DualEncoder(self.encoder(texts.shape[1]), dropout=self.dropout)
        regularizer = self.regularizer.build(anchor_sets)
        return DualTask(encoder, contrast(truth, texts, self.triplets), regularizer, self.retrieval)
