"""A shortlister without a tree: the labels nearest to a point (DECAF's "+HNSW")."""

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
from xcgraph.recipes.portable import Scoring
from xcgraph.recipes.shortlister import Beams, Shortlister, ShortlisterConfig, TreeInputs, keep_beams
from xcgraph.recipes.workspace import Keyed, embed
from xcgraph.storage.artifacts import content_key

_BLOCK_ROWS = 1 << 13


@dataclass(frozen=True, kw_only=True)
class NearestShortlisterConfig(ShortlisterConfig):
    """Labels are shortlisted by cosine to a point, in the space in which a tree would cluster them.

    Nothing is learned in Module II: a label's vector is the centroid of its points plus its text. Every label
    is a meta-label of its own, so that ``beam_size`` counts labels; what else is said of meta-labels is that
    of Module I.

    Attributes:
        retrieval: finds the nearest labels, exactly or approximately.
        text_share: weight of a label's text beside the centroid of its points, both at unit length.
    """

    is_trained: ClassVar[bool] = False

    retrieval: Retrieval = field(default_factory=ExactRetrieval)
    text_share: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.text_share < 0:
            raise UserError(f"shortlister.text_share must be ≥ 0, got {self.text_share}.")

    def fit(self, learned: TreeInputs) -> Keyed[Shortlister]:
        """Compute the labels' vectors; there is nothing to train."""
        work, encoder, graph = learned.work, learned.encoder, learned.graph
        texts = embed(encoder.value, work.label_features)
        points = embed(encoder.value, work.train.features)
        centroids = np.asarray(label_centroids(points, work.train.labels, texts, graph.value))
        vectors = _unit_rows(centroids + np.float32(self.text_share) * _unit_rows(texts))
        made_of = {
            "encoder": encoder.key,
            "graph": graph.key,
            "retrieval": self.retrieval,
            "text_share": self.text_share,
            "beam_size": self.beam_size,
            "game_mix": self.game_mix,
        }
        return Keyed(NearestShortlister(encoder.value, vectors, graph.value, self), content_key(made_of))


class NearestShortlister:
    """Finds the labels nearest to a point.

    Args:
        encoder: embeds texts.
        vectors: (labels, dim) of unit length.
        graph: (labels, labels) Ĝ of GAME.
        config: retrieval, beam and GAME.
    """

    def __init__(
        self,
        encoder: Encoder,
        vectors: NDArray[np.float32],
        graph: csr_array,
        config: NearestShortlisterConfig,
    ) -> None:
        self.members = csr_array(eye_array(len(vectors), dtype=np.float32, format="csr"))
        self.encoder, self.vectors, self.graph, self.config = encoder, vectors, graph, config
        self._search = config.retrieval.index(torch.from_numpy(vectors))

    def beams(self, features: csr_array) -> Beams:
        """Find the nearest labels of (points, tokens) texts; (1 + cosine) / 2 stands for a probability."""
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
        found = labels >= 0  # an approximate search may come back with fewer
        rows = np.nonzero(found)[0]
        probability = ((1 + cosines[found].clip(-1, 1)) / 2).astype(np.float32)
        shape = (len(points), self.members.shape[0])
        return keep_beams(
            csr_array((probability, (rows, labels[found])), shape=shape), self.graph, self.config
        )


def _unit_rows(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale rows to unit L2 norm; rows of zeros stay."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    units: NDArray[np.float32] = np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms > 0)
    return units
