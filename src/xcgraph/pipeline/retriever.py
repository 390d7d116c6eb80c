"""A trained task that ranks all labels at once, without a shortlist."""

from dataclasses import dataclass

from scipy.sparse import csr_array

from xcgraph.data.batching import FullTargets
from xcgraph.errors import UserError
from xcgraph.graph.game import expand_scores
from xcgraph.pipeline.shortlister import unlabelled
from xcgraph.pipeline.stage import Stage
from xcgraph.tasks.task import Task


@dataclass(frozen=True)
class Game:
    """How labels share in the scores of their neighbours (GAME).

    Attributes:
        graph: (labels, labels) Ĝ.
        mix: share of the graph-expanded scores in the final ones.
    """

    graph: csr_array
    mix: float


@dataclass(frozen=True, kw_only=True)
class Retriever:
    """A trained task that ranks all labels.

    Attributes:
        task: ranks labels.
        stage: knows how to predict.
        num_labels: how many labels there are.
        top_k: predictions per point.
        game: None leaves the scores as they are.
    """

    task: Task
    stage: Stage
    num_labels: int
    top_k: int
    game: Game | None = None

    def score(self, features: csr_array) -> csr_array:
        """Return (points, labels) scores of (points, tokens) texts, for the best labels."""
        points = FullTargets(unlabelled(features, self.num_labels))
        scores = self.stage.predict(self.task, points, self.top_k)
        if self.game is None:
            return scores
        return expand_scores(scores, self.game.graph, self.game.mix, self.top_k)


def check_top_k(top_k: int, num_labels: int | None = None) -> None:
    """Refuse a number of predictions per point that cannot be, as far as the number of labels is known.

    Raises:
        UserError: it is not positive, or larger than the number of labels.
    """
    if top_k < 1:
        raise UserError(f"recipe.top_k must be ≥ 1, got {top_k}.")
    if num_labels is not None and top_k > num_labels:
        raise UserError(f"recipe.top_k={top_k} is larger than the number of labels, {num_labels}.")
