"""The portable form of trained recipes: shortlisters, rankers and GAME as plain arrays.

A new shortlister or model can be exported and served once it has a method ``portable``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from scipy.sparse import csr_array, eye_array
from torch import Tensor

from xcgraph.nn.portable import LabelScorer, Vectors, no_portable_form, to_array

# An upper bound on labels per point: memory is allocated for ``top_k`` labels regardless of file sizes.
MAX_LABELS = 1 << 16


@dataclass(frozen=True, kw_only=True)
class Scoring(LabelScorer):
    """The best labels, or meta-labels, of a point: their scores, then GAME over a graph.

    Attributes:
        graph: (labels, labels) Ĝ of GAME.
        game_mix: share of the graph-expanded scores in the final scores.
        top_k: scores kept per point, before and after GAME.
    """

    graph: csr_array
    game_mix: float
    top_k: int

    def __post_init__(self) -> None:
        super().__post_init__()
        count = len(self.vectors)
        if self.graph.shape != (count, count):
            raise ValueError(f"graph: expected shape {(count, count)}, found {self.graph.shape}")
        if not 0 <= self.game_mix <= 1:
            raise ValueError(f"game_mix: expected a number in [0, 1], found {self.game_mix}")
        if not 1 <= self.top_k <= min(count, MAX_LABELS):
            raise ValueError(f"top_k: expected 1 to {min(count, MAX_LABELS)}, found {self.top_k}")

    @classmethod
    def of(cls, scorer: LabelScorer, *, graph: csr_array, game_mix: float, top_k: int) -> "Scoring":
        """Add GAME to the scores of labels."""
        return cls(
            encoder=scorer.encoder,
            vectors=scorer.vectors,
            bias=scorer.bias,
            link=scorer.link,
            graph=graph,
            game_mix=float(game_mix),
            top_k=top_k,
        )


@dataclass(frozen=True, kw_only=True)
class PortableMember:
    """One model of an ensemble: a shortlister, and a ranker of the labels on its shortlists.

    Attributes:
        shortlister: scores meta-labels, or labels if there is no ranker.
        members: (meta-labels, labels) 1 where a label is a member of a meta-label.
        ranker: scores labels; None if the scores of the shortlister are final.
        views: names of the views of a label whose shares are known, such as ``text`` and ``graph``.
        shares: (labels, views) share of each view in the vector of a label; (labels, 0) if unknown.
    """

    shortlister: Scoring
    members: csr_array
    ranker: Scoring | None
    views: Sequence[str]
    shares: Vectors

    def __post_init__(self) -> None:
        metas, labels = self.members.shape
        if metas != len(self.shortlister.vectors):
            raise ValueError(f"members: expected {len(self.shortlister.vectors)} meta-labels, found {metas}")
        if self.members.nnz != len(np.unique(self.members.indices)):
            raise ValueError("members: expected each label in one meta-label at most, found one in several")
        scored = len((self.ranker or self.shortlister).vectors)
        if scored != labels:
            raise ValueError(f"vectors: expected {labels} labels, found {scored}")
        if self.ranker is not None and self.ranker.link != "logistic":
            raise ValueError(f"link: expected logistic for a ranker, found {self.ranker.link}")
        if self.shares.shape != (labels, len(self.views)):
            raise ValueError(f"shares: expected {(labels, len(self.views))}, found {self.shares.shape}")

    @classmethod
    def of(
        cls,
        *,
        shortlister: Scoring,
        members: csr_array,
        ranker: Scoring | None,
        view_shares: Mapping[str, Tensor],
    ) -> "PortableMember":
        """Build the form from the view shares of a task.

        Args:
            shortlister: scores meta-labels, or labels if there is no ranker.
            members: (meta-labels, labels) 1 where a label is a member of a meta-label.
            ranker: scores labels, or None.
            view_shares: by name of a view, its share in the vector of each label; may be empty.
        """
        columns = [to_array(share) for share in view_shares.values()]
        return cls(
            shortlister=shortlister,
            members=members,
            ranker=ranker,
            views=tuple(view_shares),
            shares=np.stack(columns, axis=1) if columns else np.empty((members.shape[1], 0), np.float32),
        )

    @classmethod
    def without_tree(cls, scoring: Scoring, view_shares: Mapping[str, Tensor]) -> "PortableMember":
        """Build the form of a model that scores all labels: each label is its own meta-label."""
        count = len(scoring.vectors)
        members = csr_array(eye_array(count, dtype=np.float32, format="csr"))
        return cls.of(shortlister=scoring, members=members, ranker=None, view_shares=view_shares)


@runtime_checkable
class PortableModelParts(Protocol):
    """A trained model with a portable form."""

    def portable(self) -> tuple[PortableMember, ...]:
        """Return the members whose scores the model averages."""


@runtime_checkable
class PortableShortlister(Protocol):
    """A trained shortlister with a portable form."""

    def portable(self) -> Scoring:
        """Return the scores of meta-labels, and GAME."""


def portable_members(model: object) -> tuple[PortableMember, ...]:
    """Return a trained model in the portable form.

    Raises:
        UserError: the model, or a part of it, has no such form.
    """
    if not isinstance(model, PortableModelParts):
        raise no_portable_form(
            model, "give it a method portable that returns xcgraph.recipes.PortableMember objects"
        )
    return model.portable()


def portable_shortlister(shortlister: object) -> Scoring:
    """Return a trained shortlister in the portable form.

    Raises:
        UserError: the shortlister, or a part of it, has no such form.
    """
    if not isinstance(shortlister, PortableShortlister):
        raise no_portable_form(
            shortlister, "give it a method portable that returns an xcgraph.recipes.Scoring"
        )
    return shortlister.portable()
