"""From parts and data to tasks: the same parts for meta-labels and labels, learned or frozen."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor, nn

from xcgraph.data.batching import label_sets
from xcgraph.errors import UserError
from xcgraph.nn.blocks import ResidualBlock
from xcgraph.nn.classifier import LabelClassifier
from xcgraph.nn.encoder import Encoder
from xcgraph.nn.fusion import AttentionFusion, Fusion, OnlyView
from xcgraph.nn.label_graph import LabelGraphLayer, MemberSums, Propagation
from xcgraph.nn.likelihood import Likelihood, Logistic
from xcgraph.nn.refinement import NoRefinement
from xcgraph.tasks.label_text import frozen_text, trained_text
from xcgraph.tasks.xc_task import XCTask


@dataclass(frozen=True)
class LabelInputs:
    """What the labels, or meta-labels, of a task are made of.

    Attributes:
        texts: (labels, tokens) label texts Z.
        graph: (labels, labels) Ĝ.
        members: (meta, labels) 1 where a label is a member, if the task's labels are meta-labels that sum
            the views of ``labels``; None if they are ``labels`` themselves.
    """

    texts: csr_array
    graph: csr_array
    members: csr_array | None = None


@dataclass(frozen=True, kw_only=True)
class LabelNetwork:
    """The exchangeable parts of a task; sizes that only the data know come with each call.

    Attributes:
        encoder: makes an encoder from the number of tokens.
        propagation: how texts travel over the label graph.
        fusion: makes a fusion from the length and the number of views.
        refinement: makes refinement vectors from those to start at.
        token_embeddings: makes the labels' raw views from encoder, texts, graph and propagation; says whether
            the embeddings learn on.
        block: makes the block of a label's view from the length of the vectors and the dropout.
        label_dropout: probability in these blocks.
        own_text: whether a label's own text is one of its views.
        surrogate_fusion: as ``fusion``, in Module I.
        likelihood: from scores to the loss, and to probabilities; Module I has the logistic one.
    """

    encoder: Callable[[int], Encoder]
    propagation: Propagation
    fusion: Callable[[int, int], Fusion]
    refinement: Callable[[Tensor], nn.Module]
    token_embeddings: Callable[[Encoder, csr_array, csr_array, Propagation], nn.Module] = frozen_text
    block: Callable[[int, float], nn.Module] = ResidualBlock
    label_dropout: float = 0.2
    own_text: bool = True
    surrogate_fusion: Callable[[int, int], Fusion] = AttentionFusion
    likelihood: Likelihood = Logistic()  # noqa: RUF009 - frozen

    @property
    def surrogate(self) -> "LabelNetwork":
        """The parts of Module I: labels train the embeddings by their texts and have nothing else.

        What distinguishes the later modules is not in it, so that sweeps over that share Module I.
        """
        return replace(
            self,
            fusion=self.surrogate_fusion,
            refinement=NoRefinement,
            token_embeddings=trained_text,
            own_text=True,
            likelihood=Logistic(),
        )

    def check(self) -> XCTask:
        """Build tasks of the smallest size, so that a value no part can take is refused before data is read.

        Raises:
            UserError: a part refuses a value.
        """
        one = csr_array(np.ones((1, 1), np.float32))
        smallest = self.build(
            LabelInputs(one, one), 0.5, self.surrogate.build(LabelInputs(one, one), 0.5).encoder
        )
        if not smallest.encoder.is_additive:
            raise UserError(
                "Labels with a graph are sums of texts, which this encoder cannot embed: take "
                "encoder=bag_of_tokens."
            )
        return smallest

    def build(self, labels: LabelInputs, positive_rate: float, trained: Encoder | None = None) -> XCTask:
        """Make a task.

        Args:
            labels: what is scored.
            positive_rate: share of scored (point, label) pairs that are true.
            trained: the encoder whose embeddings are taken over; its other weights start anew. None to
                start with the embeddings too.

        Raises:
            UserError: labels would have no view at all.
        """
        encoder = self.encoder(labels.texts.shape[1])
        if trained is not None:
            encoder.adopt_embedding(trained)
        text = self.token_embeddings(encoder, labels.texts, labels.graph, self.propagation)
        pooled = _same if labels.members is None else partial(MemberSums, members=label_sets(labels.members))
        with torch.no_grad():
            start = pooled(text)()[-1]
        refinement = self.refinement(start)
        hops = range(0 if self.own_text else 1, 1 + self.propagation.hops)
        views: nn.Module = NoRefinement(start)  # no views of texts either
        if hops:
            views = pooled(LabelGraphLayer(text, hops, lambda: self.block(encoder.dim, self.label_dropout)))
        num_refinements: int = refinement.num_views  # type: ignore[assignment]
        fusion = self._fusion(encoder.dim, len(hops) + num_refinements)
        classifier = LabelClassifier(fusion, refinement, positive_rate=positive_rate)
        return XCTask(encoder, views, classifier, self.likelihood)

    def _fusion(self, dim: int, num_views: int) -> Fusion:
        if num_views == 0:
            raise UserError("A label needs a view: set own_text=true, hops ≥ 1 or refinement=free_vectors.")
        return self.fusion(dim, num_views) if num_views > 1 else OnlyView()


def _same(views: nn.Module) -> nn.Module:
    return views
