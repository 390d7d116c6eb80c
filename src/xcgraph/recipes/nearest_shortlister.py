"""Module II without a tree: the shortlist of a point is its nearest labels (DECAF, Table 5, "+HNSW")."""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array, eye_array

from xcgraph.clustering.meta_labels import label_centroids
from xcgraph.errors import UserError
from xcgraph.nn.encoder import Encoder
from xcgraph.nn.portable import LabelScorer, checked_encoder
from xcgraph.nn.retrieval import ExactRetrieval, Retrieval
from xcgraph.recipes.keyed import Keyed
from xcgraph.recipes.portable import Scoring
from xcgraph.recipes.shortlister import ShortlisterConfig, TreeInputs
from xcgraph.recipes.shortlists import BeamConfig, Beams, Shortlister, keep_beams
from xcgraph.recipes.workspace import Workspace, embed

_BLOCK_ROWS = 1 << 13


@dataclass(frozen=True, kw_only=True)
class NearestShortlisterConfig(ShortlisterConfig):
    """Shortlists the labels with the largest cosine to a point, in the space of Module I's embeddings.

    Module II trains nothing: the vector of a label is the centroid of its points plus its text. Each label is
    its own meta-label here, so ``beam_size`` is a number of labels. The other settings of meta-labels still
    apply to Module I.

    Attributes:
        retrieval: finds the nearest labels, exactly or approximately.
        text_share: weight of a label's text relative to the centroid of its points, both at unit length.
    """

    is_trained: ClassVar[bool] = False

    retrieval: Retrieval = field(default_factory=ExactRetrieval)
    text_share: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.text_share < 0:
            raise UserError(f"shortlister.text_share must be ≥ 0, got {self.text_share}.")

    def max_beam_size(self, num_labels: int) -> int:
        """Return the largest possible beam: all labels."""
        return num_labels

    def fit(self, inputs: TreeInputs) -> Keyed[Shortlister]:
        """Compute the vectors of the labels; there is nothing to train."""
        work, encoder, graph = inputs.work, inputs.encoder, inputs.graph
        vectors = work.derive(
            "label-vectors", _label_vectors, encoder=encoder, graph=graph, text_share=self.text_share
        )
        return work.derive(
            "nearest-shortlister",
            _make_shortlister,
            encoder=encoder,
            vectors=vectors,
            graph=graph,
            retrieval=self.retrieval,
            beam=self.beam,
        )


class NearestShortlister:
    """Finds the nearest labels of a point.

    Args:
        encoder: embeds texts.
        vectors: (labels, dim) label vectors of unit length.
        graph: (labels, labels) Ĝ for GAME.
        retrieval: finds the nearest labels.
        config: beam size and GAME.

    Attributes:
        members: (labels, labels) identity: each label is its own meta-label.
    """

    def __init__(
        self,
        encoder: Encoder,
        vectors: NDArray[np.float32],
        graph: csr_array,
        retrieval: Retrieval,
        config: BeamConfig,
    ) -> None:
        self.members = csr_array(eye_array(len(vectors), dtype=np.float32, format="csr"))
        self.encoder, self.vectors, self.graph, self.config = encoder, vectors, graph, config
        self._search = retrieval.index(torch.from_numpy(vectors))

    def beams(self, features: csr_array) -> Beams:
        """Find the nearest labels of (points, tokens) texts, with (1 + cosine) / 2 as probability."""
        starts = range(0, max(features.shape[0], 1), _BLOCK_ROWS)
        blocks = [self._block(features[start : start + _BLOCK_ROWS]) for start in starts]
        return Beams(
            np.concatenate([block.meta_labels for block in blocks]),
            np.concatenate([block.log_probability for block in blocks]),
        )

    def portable(self) -> Scoring:
        """Return the cosines of labels, and GAME, in the portable form, which searches exactly."""
        embedding = checked_encoder(self.encoder.portable_embedding(), self.encoder.embed, self.encoder)
        return Scoring.of(
            LabelScorer(encoder=embedding.at_unit_norm(), vectors=self.vectors, bias=0.0, link="cosine"),
            graph=self.graph,
            game_mix=self.config.game_mix,
            top_k=self.config.beam_size,
        )

    def _block(self, features: csr_array) -> Beams:
        points = torch.from_numpy(_unit_rows(embed(self.encoder, features)))
        labels, cosines = (part.numpy() for part in self._search(points, self.config.beam_size))
        found = labels >= 0  # an approximate search may find fewer
        rows = np.nonzero(found)[0]
        probability = ((1 + cosines[found].clip(-1, 1)) / 2).astype(np.float32)
        shape = (len(points), self.members.shape[0])
        return keep_beams(
            csr_array((probability, (rows, labels[found])), shape=shape), self.graph, self.config
        )


def _label_vectors(
    work: Workspace, *, encoder: Encoder, graph: csr_array, text_share: float
) -> NDArray[np.float32]:
    texts = embed(encoder, work.label_features)
    points = embed(encoder, work.train.features)
    centroids = np.asarray(label_centroids(points, work.train.labels, texts, graph))
    return _unit_rows(centroids + np.float32(text_share) * _unit_rows(texts))


def _make_shortlister(
    work: Workspace,  # noqa: ARG001 - of all steps
    *,
    encoder: Encoder,
    vectors: NDArray[np.float32],
    graph: csr_array,
    retrieval: Retrieval,
    beam: BeamConfig,
) -> Shortlister:
    return NearestShortlister(encoder, vectors, graph, retrieval, beam)


def _unit_rows(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale rows to unit L2 norm; rows of zeros stay zero."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    units: NDArray[np.float32] = np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms > 0)
    return units
