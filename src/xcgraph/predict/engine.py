"""Ranks labels for token weights with a portable model: prepared arrays, and no Python loop over points."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from xcgraph.nn.portable import LINKS
from xcgraph.predict.kernels import average, embed_bags, expand, rank_shortlists
from xcgraph.predict.model import PointEncoder, PortableMember, PortableModel, Scoring
from xcgraph.predict.search import ExactSearch

_BLOCK_POINTS = 256
_TINY = np.finfo(np.float32).tiny

Labels = NDArray[np.int32]
Scores = NDArray[np.float32]


@dataclass(frozen=True)
class Ranked:
    """Labels, or meta-labels, of points and their scores: (points, k), best first, padded with -1 and 0."""

    labels: Labels
    scores: Scores


@dataclass(frozen=True)
class TreeTrace:
    """The steps of one tree for a block of points.

    Attributes:
        found: meta-labels by their own scores.
        beam: meta-labels after GAME.
        ranked: labels of the beam by p(meta-label) · p(label); equal to ``beam`` without a ranker.
        expanded: labels after GAME.
    """

    found: Ranked
    beam: Ranked
    ranked: Ranked
    expanded: Ranked


class Embeddings:
    """Embeds some points, once for all encoders that share an embedding.

    Args:
        features: (points, tokens) token weights.
    """

    def __init__(self, features: csr_array) -> None:
        self._bags = (
            features.indptr.astype(np.int64, copy=False),
            features.indices.astype(np.int32, copy=False),
            features.data.astype(np.float32, copy=False),
        )
        self._sums: dict[int, NDArray[np.float32]] = {}

    def encode(self, encoder: PointEncoder) -> NDArray[np.float32]:
        """Return (points, dim) x̂."""
        key = id(encoder.embedding)
        if key not in self._sums:
            self._sums[key] = embed_bags(*self._bags, encoder.embedding)
        return encoder.finish(self._sums[key])


class TreeEngine:
    """Ranks with one tree, whose arrays are laid out for reading: the labels of a meta-label lie together.

    Args:
        tree: the tree.
    """

    def __init__(self, tree: PortableMember) -> None:
        self._tree = tree
        self._search = ExactSearch(tree.shortlister.vectors)
        self._spread = _Spread(tree.shortlister)
        if tree.ranker is not None:
            self._starts = tree.members.indptr.astype(np.int64)
            self._labels = tree.members.indices.astype(np.int32)
            self._vectors = np.ascontiguousarray(tree.ranker.vectors[self._labels])
            self._spread_labels = _Spread(tree.ranker)

    def trace(self, points: Embeddings, kept: int | None = None) -> TreeTrace:
        """Rank labels and return all steps.

        Args:
            points: the embedded points.
            kept: labels kept per point in the last step; None for the ranker's ``top_k``.
        """
        shortlister, ranker = self._tree.shortlister, self._tree.ranker
        metas, products = self._search(points.encode(shortlister.encoder), shortlister.top_k)
        found = Ranked(metas, LINKS[shortlister.link](products, shortlister.bias))
        beam = self._spread(found)
        if ranker is None:
            return TreeTrace(found, beam, beam, beam)
        log_priors = np.where(beam.labels < 0, 0, np.log(np.maximum(beam.scores, _TINY)))
        ranked = Ranked(
            *rank_shortlists(
                (beam.labels, log_priors.astype(np.float32, copy=False)),
                self._starts,
                self._labels,
                self._vectors,
                np.float32(ranker.bias),
                points.encode(ranker.encoder),
                ranker.top_k,
            )
        )
        return TreeTrace(found, beam, ranked, self._spread_labels(ranked, kept))


class Engine:
    """Scores points with a portable model. It gives the scores of the trained model, but faster.

    Args:
        model: the portable model.
    """

    def __init__(self, model: PortableModel) -> None:
        self._trees = [TreeEngine(tree) for tree in model.trees]
        self._top_k = model.top_k

    def traces(self, features: csr_array, k: int) -> list[TreeTrace]:
        """Return the steps of each tree for (points, tokens) rows that fit into memory at once.

        Args:
            features: rows of token weights.
            k: labels requested per point. A single tree keeps no more; with several trees, all their labels
                count in the mean.
        """
        points = Embeddings(features)
        return [tree.trace(points, k if len(self._trees) == 1 else None) for tree in self._trees]

    def top(self, features: csr_array, k: int) -> Ranked:
        """Return the best labels of (points, tokens) rows: the mean of the trees.

        Args:
            features: rows of token weights.
            k: labels per point, at most the model's ``top_k``.
        """
        blocks = [average_traces(self.traces(block, k), self._top_k) for block in _blocks(features)]
        return Ranked(
            np.concatenate([np.empty((0, k), np.int32), *(block.labels[:, :k] for block in blocks)]),
            np.concatenate([np.empty((0, k), np.float32), *(block.scores[:, :k] for block in blocks)]),
        )


def average_traces(traces: list[TreeTrace], top_k: int) -> Ranked:
    """Return the mean scores of all trees; the scores of a single tree are returned unchanged."""
    if len(traces) == 1:
        return traces[0].expanded
    width = max(trace.expanded.labels.shape[1] for trace in traces)
    labels, scores = (
        np.stack([_widened(getattr(trace.expanded, part), width, empty) for trace in traces])
        for part, empty in (("labels", -1), ("scores", 0))
    )
    return Ranked(*average(labels, scores, top_k))


class _Spread:
    """GAME over one graph."""

    def __init__(self, scoring: Scoring) -> None:
        graph = scoring.graph
        self._graph = (
            graph.indptr.astype(np.int64),
            graph.indices.astype(np.int32),
            graph.data.astype(np.float32),
        )
        self._mix, self._top_k = float(scoring.game_mix), scoring.top_k

    def __call__(self, ranked: Ranked, kept: int | None = None) -> Ranked:
        if self._mix == 0:
            return ranked
        kept = self._top_k if kept is None else min(kept, self._top_k)
        return Ranked(*expand(ranked.labels, ranked.scores, self._graph, self._mix, self._top_k, kept))


def _widened(array: NDArray, width: int, empty: int) -> NDArray:
    return np.pad(array, ((0, 0), (0, width - array.shape[1])), constant_values=empty)


def _blocks(features: csr_array) -> Iterator[csr_array]:
    if features.shape[0] <= _BLOCK_POINTS:
        return iter([features] if features.shape[0] else [])
    starts = range(0, features.shape[0], _BLOCK_POINTS)
    return (features[start : start + _BLOCK_POINTS] for start in starts)
