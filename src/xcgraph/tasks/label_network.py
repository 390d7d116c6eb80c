"""The network of a task: builds encoder, label encoder and classifier from exchangeable parts and data."""

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
from xcgraph.nn.label_encoder import LabelEncoder, MemberSums, MetaLabelEncoder
from xcgraph.nn.label_graph import Propagation
from xcgraph.nn.likelihood import Likelihood, Logistic
from xcgraph.nn.refinement import NoRefinement
from xcgraph.tasks.label_text import frozen_text, trained_text
from xcgraph.tasks.xc_task import XCTask


@dataclass(frozen=True)
class LabelInputs:
    """The data that describes the labels, or meta-labels, of a task.

    Attributes:
        texts: (labels, tokens) label texts Z.
        graph: (labels, labels) Ĝ.
        members: (meta, labels) 1 where a label is a member, for a task of meta-labels that sum the views of
            ``texts`` and ``graph``; None for a task of these labels themselves.
    """

    texts: csr_array
    graph: csr_array
    members: csr_array | None = None


@dataclass(frozen=True, kw_only=True)
class LabelNetwork:
    """The exchangeable parts of a network that scores labels; :meth:`build` adds the sizes of the data.

    Attributes:
        encoder: makes an encoder from the number of tokens.
        propagation: propagates label texts over the graph.
        fusion: makes a fusion from the length and the number of views.
        refinement: makes refinement vectors from their initial values.
        token_embeddings: makes the labels' raw views from encoder, texts, graph and propagation, with frozen
            or trained token embeddings.
        block: makes the block of a label's view from the length of the vectors and the dropout.
        label_dropout: probability of dropout in these blocks.
        own_text: whether a label's own text is one of its views.
        surrogate_fusion: makes the fusion of Module I.
        likelihood: gives loss and probabilities of scores; Module I uses the logistic likelihood.
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
        """The network of Module I: label texts train the embeddings, and there are no refinement vectors.

        Parts that only later modules use are reset, so sweeps over these parts share Module I.
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
        """Build tasks of the smallest size, which refuses invalid values before any data is read.

        Raises:
            UserError: a part refuses a value.
        """
        one = csr_array(np.ones((1, 1), np.float32))
        smallest = self.build(
            LabelInputs(one, one), 0.5, self.surrogate.build(LabelInputs(one, one), 0.5).encoder
        )
        if not smallest.encoder.is_additive:
            raise UserError(
                f"The graph sums the texts of labels, which {type(smallest.encoder).__name__} cannot embed: "
                "choose encoder=bag_of_tokens."
            )
        return smallest

    def build(self, labels: LabelInputs, positive_rate: float, trained: Encoder | None = None) -> XCTask:
        """Build a task.

        Args:
            labels: data of the labels to score.
            positive_rate: share of scored (point, label) pairs that are positive.
            trained: an encoder whose trained embeddings are copied; all other parameters are initialised.
                None to initialise the embeddings too.

        Raises:
            UserError: the labels have no view at all.
        """
        encoder = self.encoder(labels.texts.shape[1])
        if trained is not None:
            encoder.adopt_embedding(trained)
        return XCTask(
            encoder,
            self._label_encoder(encoder, labels),
            LabelClassifier(positive_rate=positive_rate),
            self.likelihood,
        )

    def _label_encoder(self, encoder: Encoder, labels: LabelInputs) -> LabelEncoder:
        # Parts draw their initial values in this order: refinement, blocks, fusion. Another order would
        # change the results of a seed.
        text = self.token_embeddings(encoder, labels.texts, labels.graph, self.propagation)
        members = None if labels.members is None else MemberSums(label_sets(labels.members))
        with torch.no_grad():
            raw = text()
            start = (raw if members is None else members(raw))[-1]
        refinement = self.refinement(start)
        hops = range(0 if self.own_text else 1, 1 + self.propagation.hops)
        blocks = {hop: self.block(encoder.dim, self.label_dropout) for hop in hops}
        num_refinements: int = refinement.num_views  # type: ignore[assignment]
        fusion = self._fusion(encoder.dim, len(blocks) + num_refinements)
        build = LabelEncoder if members is None else partial(MetaLabelEncoder, members=members)
        return build(text, blocks, refinement=refinement, fusion=fusion)

    def _fusion(self, dim: int, num_views: int) -> Fusion:
        if num_views == 0:
            raise UserError("A label needs a view: set own_text=true, hops ≥ 1 or refinement=free_vectors.")
        return self.fusion(dim, num_views) if num_views > 1 else OnlyView()
