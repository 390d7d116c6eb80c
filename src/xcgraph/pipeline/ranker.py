"""The ranker: labels of a shortlist, scored by their own classifier vectors (Module IV)."""

from dataclasses import dataclass

from scipy.sparse import csr_array

from xcgraph.data.shortlists import ShortlistTargets
from xcgraph.errors import UserError
from xcgraph.graph.game import expand_scores
from xcgraph.pipeline.stage import Stage
from xcgraph.tasks.xc_task import XCTask


@dataclass(frozen=True, kw_only=True)
class RankerConfig:
    """How shortlisted labels become predictions.

    Attributes:
        top_k: predictions kept per point.
        game_mix: share of the graph-expanded scores in the final ones (GAME ii).
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
    """A trained ranker.

    Attributes:
        task: scores labels.
        stage: knows how to predict.
        graph: (labels, labels) Ĝ of GAME.
        config: number of predictions and GAME.
    """

    task: XCTask
    stage: Stage
    graph: csr_array
    config: RankerConfig

    def score(self, points: ShortlistTargets) -> csr_array:
        """Return (points, labels) scores, a few per row: σ(h_m·x̂) · σ(w_l·x̂), then GAME."""
        scores = self.stage.predict(self.task, points, self.config.top_k)
        return expand_scores(scores, self.graph, self.config.game_mix, self.config.top_k)
