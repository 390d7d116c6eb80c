"""Trained models: the ranker of Module IV, a retriever of all labels, and ensembles of either."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from scipy.sparse import csr_array
from torch import Tensor

from xcgraph.data.batching import AllLabelsDataset
from xcgraph.data.shortlists import ShortlistDataset
from xcgraph.errors import UserError
from xcgraph.graph.game import expand_scores
from xcgraph.recipes.portable import PortableMember, Scoring, portable_members, portable_shortlister
from xcgraph.recipes.shortlists import Shortlister, shortlist, unlabelled
from xcgraph.sparse import retain_top_k
from xcgraph.tasks.task import Task
from xcgraph.tasks.xc_task import XCTask
from xcgraph.training.stage import Stage


@runtime_checkable
class RankingModel(Protocol):
    """A member of an ensemble."""

    @property
    def top_k(self) -> int:
        """The maximum number of labels per point."""

    def score(self, features: csr_array) -> csr_array:
        """Return (points, labels) scores of (points, tokens) texts, a few per row."""


@runtime_checkable
class HasViewShares(Protocol):
    """A model whose label vectors are weighted sums of views."""

    def view_shares(self, label_ids: Tensor | None = None) -> dict[str, Tensor]:
        """Return by view its share in the vectors of the given labels, or of all labels."""


@dataclass(frozen=True, kw_only=True)
class RankerConfig:
    """How to turn the scores of shortlisted labels into predictions.

    Attributes:
        top_k: maximum number of predictions per point.
        game_mix: weight of the graph-expanded scores (GAME ii).
    """

    top_k: int = 100
    game_mix: float = 0.5

    def __post_init__(self) -> None:
        if self.top_k < 1:
            raise UserError(f"ranker.top_k must be ≥ 1, got {self.top_k}.")
        if not 0 <= self.game_mix <= 1:
            raise UserError(f"ranker.game_mix must lie in [0, 1], got {self.game_mix}.")


@dataclass(frozen=True, kw_only=True)
class Ranker:
    """The trained classifiers of Module IV.

    Attributes:
        task: scores labels.
        stage: how to predict.
        graph: (labels, labels) Ĝ for GAME.
        config: number of predictions and GAME.
    """

    task: XCTask
    stage: Stage
    graph: csr_array
    config: RankerConfig

    def score(self, points: ShortlistDataset) -> csr_array:
        """Return (points, labels) scores, a few per row: σ(h_m·x̂) · σ(w_l·x̂), then GAME."""
        scores = self.stage.predict(self.task, points, self.config.top_k)
        return expand_scores(scores, self.graph, self.config.game_mix, self.config.top_k)

    def portable(self) -> Scoring:
        """Return the scores of labels, and GAME, in the portable form.

        Raises:
            UserError: the probabilities of labels cannot be multiplied with the probability of a meta-label.
        """
        scorer = self.task.scoring()
        if scorer.link != "logistic":
            raise UserError(
                f"likelihood: expected a link of logistic, found {scorer.link}: a ranker multiplies the "
                "probabilities of labels with their meta-label's, so train with likelihood=logistic."
            )
        return Scoring.of(scorer, graph=self.graph, game_mix=self.config.game_mix, top_k=self.config.top_k)


@dataclass(frozen=True)
class Tree:
    """One clustering of the labels with its shortlister and ranker."""

    shortlister: Shortlister
    ranker: Ranker

    @property
    def top_k(self) -> int:
        """The maximum number of labels per point."""
        return self.ranker.config.top_k

    def score(self, features: csr_array) -> csr_array:
        """Return (points, labels) scores of (points, tokens) texts, for the labels of their beams."""
        points = unlabelled(features, self.ranker.graph.shape[0])
        return self.ranker.score(shortlist(points, self.shortlister, self.shortlister.beams(features)))

    def portable(self) -> tuple[PortableMember]:
        """Return shortlister and ranker in the portable form."""
        member = PortableMember.of(
            shortlister=portable_shortlister(self.shortlister),
            members=self.shortlister.members,
            ranker=self.ranker.portable(),
            view_shares=self.view_shares(),
        )
        return (member,)

    def view_shares(self, label_ids: Tensor | None = None) -> dict[str, Tensor]:
        """Return by view its share in the vector of each label; empty if the ranker has no such shares."""
        return self.ranker.task.view_shares(label_ids)


@dataclass(frozen=True)
class Game:
    """GAME: expands the scores of labels over a graph.

    Attributes:
        graph: (labels, labels) Ĝ.
        mix: weight of the graph-expanded scores.
    """

    graph: csr_array
    mix: float


@dataclass(frozen=True, kw_only=True)
class Retriever:
    """A trained task that ranks all labels.

    Attributes:
        task: ranks labels.
        stage: how to predict.
        num_labels: number of labels.
        top_k: predictions per point.
        game: expands the scores; None to leave them as they are.
    """

    task: Task
    stage: Stage
    num_labels: int
    top_k: int
    game: Game | None = None

    def score(self, features: csr_array) -> csr_array:
        """Return (points, labels) scores of (points, tokens) texts, with ``top_k`` per row."""
        points = AllLabelsDataset(unlabelled(features, self.num_labels))
        scores = self.stage.predict(self.task, points, self.top_k)
        if self.game is None:
            return scores
        return expand_scores(scores, self.game.graph, self.game.mix, self.top_k)

    def portable(self) -> tuple[PortableMember]:
        """Return the scores of all labels, and GAME, in the portable form."""
        count = self.num_labels
        game = self.game or Game(csr_array((count, count), dtype=np.float32), 0.0)
        scoring = Scoring.of(self.task.scoring(), graph=game.graph, game_mix=game.mix, top_k=self.top_k)
        return (PortableMember.without_tree(scoring, self.view_shares()),)

    def view_shares(self, label_ids: Tensor | None = None) -> dict[str, Tensor]:
        """Return by view its share in the vector of each label; empty if the task has no such shares."""
        return self.task.view_shares(label_ids)


@dataclass(frozen=True)
class Ensemble:
    """Averages the scores of models of the same labels, as probabilities."""

    members: tuple[RankingModel, ...]

    def score(self, features: csr_array) -> csr_array:
        """Return (points, labels) mean scores; a missing score counts as 0."""
        total = self.members[0].score(features)
        for member in self.members[1:]:
            total = total + member.score(features)
        mean = csr_array(total / len(self.members), dtype=np.float32)
        return retain_top_k(mean, max(member.top_k for member in self.members))

    def portable(self) -> tuple[PortableMember, ...]:
        """Return all members in the portable form."""
        return tuple(found for member in self.members for found in portable_members(member))

    def view_shares(self, label_ids: Tensor | None = None) -> dict[str, Tensor]:
        """Return the view shares of the first member; empty if it has none."""
        first = self.members[0]
        return first.view_shares(label_ids) if isinstance(first, HasViewShares) else {}


def check_top_k(top_k: int) -> None:
    """Check a number of predictions per point.

    Raises:
        UserError: ``top_k`` is not positive.
    """
    if top_k < 1:
        raise UserError(f"recipe.top_k must be ≥ 1, got {top_k}.")
