"""From parts and data to tasks: the same three parts for meta-labels and labels, learned or frozen."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor, nn

from xcgraph.data.batching import token_bag
from xcgraph.nn.classifier import LabelClassifier
from xcgraph.nn.encoder import Encoder
from xcgraph.nn.fusion import Fusion
from xcgraph.nn.label_graph import FrozenLabelText, Graph, LabelGraphLayer, Propagation, TiedLabelText
from xcgraph.nn.refinement import NoRefinement
from xcgraph.tasks.xc_task import XCTask


@dataclass(frozen=True, kw_only=True)
class TaskBuilder:
    """The exchangeable parts of a task; sizes that only the data know come with each call.

    Attributes:
        encoder: makes an encoder from the number of tokens.
        propagation: how texts travel over the label graph.
        fusion: makes a fusion from the length and the number of views.
        refinement: makes refinement vectors from those to start at.
        label_dropout: probability in the blocks of the label-graph layer.
    """

    encoder: Callable[[int], Encoder]
    propagation: Propagation
    fusion: Callable[[int, int], Fusion]
    refinement: Callable[[Tensor], nn.Module]
    label_dropout: float = 0.2

    def check(self) -> XCTask:
        """Build a task of the smallest size, so that a value no part can take is refused before data is read.

        Raises:
            UserError: a part refuses a value.
        """
        one = csr_array(np.ones((1, 1), np.float32))
        return self.frozen(self.tied(one, one, 0.5).encoder, one, one, 0.5)

    def tied(self, texts: csr_array, graph: csr_array, positive_rate: float) -> XCTask:
        """Make a task whose labels learn the token embeddings along with the points (Module I).

        Args:
            texts: (labels, tokens) label texts.
            graph: (labels, labels) Ĝ.
            positive_rate: share of scored (point, label) pairs that are true.
        """
        encoder = self.encoder(texts.shape[1])
        text = TiedLabelText(encoder.embed, token_bag(texts), _graph(graph), self.propagation)
        start = torch.zeros(texts.shape[0], encoder.dim)
        return self._task(encoder, text, NoRefinement(start), positive_rate)

    def frozen(self, trained: Encoder, texts: csr_array, graph: csr_array, positive_rate: float) -> XCTask:
        """Make a task on embeddings that stay as they are, with refinement vectors (Modules II to IV).

        Args:
            trained: the encoder whose embeddings are taken over; its other weights start anew.
            texts: (labels, tokens) label texts.
            graph: (labels, labels) Ĝ.
            positive_rate: share of scored (point, label) pairs that are true.
        """
        encoder = self.encoder(texts.shape[1])
        encoder.adopt_embedding(trained)
        with torch.no_grad():
            views = self.propagation(encoder.embed(token_bag(texts)), _graph(graph))
        return self._task(encoder, FrozenLabelText(views), self.refinement(views[:, -1]), positive_rate)

    def _task(self, encoder: Encoder, text: nn.Module, refinement: nn.Module, positive_rate: float) -> XCTask:
        views = self.propagation.num_views
        layer = LabelGraphLayer(text, num_views=views, dim=encoder.dim, dropout=self.label_dropout)
        num_refinements: int = refinement.num_views  # type: ignore[assignment]
        fusion = self.fusion(encoder.dim, views + num_refinements)
        classifier = LabelClassifier(fusion, refinement, positive_rate=positive_rate)
        return XCTask(encoder, layer, classifier)


def _graph(graph: csr_array) -> Graph:
    edges = graph.tocoo()
    return Graph(
        torch.from_numpy(edges.row.astype("int64")),
        torch.from_numpy(edges.col.astype("int64")),
        torch.from_numpy(edges.data.astype("float32")),
        graph.shape[0],
    )
