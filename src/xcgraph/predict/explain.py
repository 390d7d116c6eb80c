"""Explains the score of a label: its path through each tree, its views and its neighbours in the graph."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from xcgraph.predict.engine import Ranked, TreeTrace
from xcgraph.predict.model import PortableMember, PortableModel, Scoring


@dataclass(frozen=True)
class Neighbour:
    """A label or meta-label whose score contributed to the score of another one.

    Attributes:
        label: number of the neighbour.
        weight: weight of the edge, an entry of Ĝ.
        score: score of the neighbour itself.
        adds: contribution to the result: mix · score · weight.
    """

    label: int
    weight: float
    score: float
    adds: float


@dataclass(frozen=True)
class Expanded:
    """A score before and after GAME: ``score`` = ``kept`` + the sum of ``adds`` over the neighbours.

    Attributes:
        own: score before GAME.
        kept: contribution of ``own`` to the result: (1 − mix) · own.
        score: score after GAME; 0 if the label is no longer among the best.
        neighbours: neighbours that contributed, largest contribution first; may include the label itself.
    """

    own: float
    kept: float
    score: float
    neighbours: tuple[Neighbour, ...]


@dataclass(frozen=True)
class TreePath:
    """How one tree computed the score of a label.

    Attributes:
        meta_label: meta-label of the label; None if the tree finds labels without meta-labels.
        rank: rank of the meta-label in the beam, from 0; None if it is not in the beam.
        meta: score of the meta-label; None if there is no meta-label.
        probability: σ(⟨w_l, x̂⟩ + b) of the label; None if its meta-label is not in the beam.
        label: score of the label.
        views: weight of each view of the label in the fusion, by name; empty if the fusion has no weights.
    """

    meta_label: int | None
    rank: int | None
    meta: Expanded | None
    probability: float | None
    label: Expanded
    views: Mapping[str, float]


class Explainer:
    """Explains the scores of one model.

    Args:
        model: the model whose traces are explained.
    """

    def __init__(self, model: PortableModel) -> None:
        self._trees = [_TreeExplainer(tree) for tree in model.trees]

    def explain(self, traces: Sequence[TreeTrace], row: int, label: int) -> tuple[TreePath, ...]:
        """Return one path per tree; the score of the label is the mean of ``path.label.score``.

        Args:
            traces: trace of each tree for a block of points.
            row: position of the point in the block.
            label: number of a label in the result.
        """
        pairs = zip(self._trees, traces, strict=True)
        return tuple(tree.explain(trace, row, label) for tree, trace in pairs)


class _TreeExplainer:
    def __init__(self, tree: PortableMember) -> None:
        self._tree = tree
        self._shortlister = _Incoming(tree.shortlister)
        self._ranker = None if tree.ranker is None else _Incoming(tree.ranker)
        self._meta_of = np.full(tree.members.shape[1], -1)
        self._meta_of[tree.members.indices] = np.repeat(
            np.arange(tree.members.shape[0]), np.diff(tree.members.indptr)
        )

    def explain(self, trace: TreeTrace, row: int, label: int) -> TreePath:
        tree = self._tree
        shares = (float(share) for share in tree.shares[label])
        views = dict(zip(tree.views, shares, strict=True))
        if self._ranker is None:
            found = self._shortlister.explain(trace.found, trace.beam, row, label)
            return TreePath(None, None, None, None, found, views)
        meta = int(self._meta_of[label])
        beam = trace.beam.labels[row]
        rank = int(np.flatnonzero(beam == meta)[0]) if meta in beam else None
        passed = self._shortlister.explain(trace.found, trace.beam, row, meta)
        final = self._ranker.explain(trace.ranked, trace.expanded, row, label)
        probability = final.own / passed.score if rank is not None and passed.score else None
        return TreePath(meta, rank, passed, probability, final, views)


class _Incoming:
    """The incoming edges of each label in the graph of GAME."""

    def __init__(self, scoring: Scoring) -> None:
        self._mix, self._top_k = scoring.game_mix, scoring.top_k
        self._edges = csr_array(scoring.graph.T.tocsr())

    def explain(self, before: Ranked, after: Ranked, row: int, label: int) -> Expanded:
        own, score = _score(before, row, label), _score(after, row, label)
        kept = own if self._mix == 0 else (1 - self._mix) * own
        # GAME adds only the best of the propagated scores; any other label keeps just its own share.
        has_gained = score > kept * (1 + 1e-5) and self._mix > 0
        neighbours = self._contributors(before, row, label) if has_gained else ()
        return Expanded(own, kept if score else 0.0, score, neighbours)

    def _contributors(self, before: Ranked, row: int, label: int) -> tuple[Neighbour, ...]:
        edges = slice(*self._edges.indptr[label : label + 2])
        others, weights = self._edges.indices[edges].tolist(), self._edges.data[edges].tolist()
        pairs = zip(others, weights, strict=True)
        scored = ((other, weight, _score(before, row, other)) for other, weight in pairs)
        found = [
            Neighbour(other, weight, score, self._mix * score * weight)
            for other, weight, score in scored
            if score > 0
        ]
        return tuple(sorted(found, key=lambda neighbour: (-neighbour.adds, neighbour.label)))


def _score(ranked: Ranked, row: int, label: int) -> float:
    places = np.flatnonzero(ranked.labels[row] == label)
    return float(ranked.scores[row, places[0]]) if len(places) else 0.0
