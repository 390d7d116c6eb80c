"""The shortlister S = {C, H}: clusters of labels, a classifier over them, and its beams (Modules II, III)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from xcgraph.clustering.meta_labels import MetaLabels
from xcgraph.data.batching import FullTargets
from xcgraph.errors import UserError
from xcgraph.graph.game import expand_scores
from xcgraph.pipeline.stage import Stage
from xcgraph.sparse import top_k_rows
from xcgraph.tasks.xc_task import XCTask


@dataclass(frozen=True)
class Beams:
    """The best meta-labels of each point.

    Attributes:
        meta_labels: (points, beam) best first, padded with -1.
        log_probability: (points, beam) of these, after GAME; 0 for padding.
    """

    meta_labels: NDArray[np.int32]
    log_probability: NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class ShortlisterConfig:
    """How labels are shortlisted.

    Attributes:
        num_meta_labels: clusters of labels, a power of two; None for about ``labels_per_meta_label`` each.
        labels_per_meta_label: mean size of a cluster if ``num_meta_labels`` is None. The papers have about 4.
        num_neighbors: edges kept per meta-label in the graph of meta-labels.
        beam_size: meta-labels kept per point.
        game_mix: share of the graph-expanded scores in those of the meta-labels (GAME i).
        join_neighbours: whether a training point's shortlist also takes the graph neighbours of its labels
            (GAME iii).
    """

    num_meta_labels: int | None = None
    labels_per_meta_label: int = 4
    num_neighbors: int = 10
    beam_size: int = 50
    game_mix: float = 0.5
    join_neighbours: bool = False

    def __post_init__(self) -> None:
        for name in ("labels_per_meta_label", "num_neighbors", "beam_size"):
            if getattr(self, name) < 1:
                raise UserError(f"shortlister.{name} must be ≥ 1, got {getattr(self, name)}.")
        if not 0 <= self.game_mix <= 1:
            raise UserError(f"shortlister.game_mix must lie in [0, 1], got {self.game_mix}.")
        count = self.num_meta_labels
        if count is not None and (count < 1 or count & (count - 1)):
            raise UserError(f"shortlister.num_meta_labels must be a power of two, got {count}.")

    def count_meta_labels(self, num_labels: int) -> int:
        """Return the number of clusters for so many labels.

        Raises:
            UserError: the beam is larger than that.
        """
        count = self.num_meta_labels
        if count is None:
            count = 1 << max(0, (num_labels // self.labels_per_meta_label).bit_length() - 1)
        if self.beam_size > min(count, num_labels):
            raise UserError(
                f"shortlister.beam_size={self.beam_size} is larger than the number of meta-labels, "
                f"{min(count, num_labels)}: lower it, or raise shortlister.num_meta_labels."
            )
        return count


@dataclass(frozen=True, kw_only=True)
class Shortlister:
    """A trained shortlister.

    Attributes:
        task: scores meta-labels.
        stage: knows how to predict.
        meta_labels: the clusters C.
        graph: (meta-labels, meta-labels) Ĝ of GAME.
        config: beam and GAME.
    """

    task: XCTask
    stage: Stage
    meta_labels: MetaLabels
    graph: csr_array
    config: ShortlisterConfig

    def beams(self, points: FullTargets) -> Beams:
        """Find each point's best meta-labels (Module III)."""
        beam = self.config.beam_size
        scores = self.stage.predict(self.task, points, beam)
        expanded = expand_scores(scores, self.graph, self.config.game_mix, beam)
        meta_labels, probability = top_k_rows(expanded, beam)
        log_probability = np.log(probability.clip(min=np.finfo(np.float32).tiny))
        return Beams(meta_labels, np.where(meta_labels < 0, 0, log_probability).astype(np.float32))
