"""The shortlister S = {C, H}: clusters of labels, a classifier over them, and its beams (Modules II, III)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from xcgraph.clustering.meta_labels import MetaLabels
from xcgraph.data.batching import AllLabelsDataset
from xcgraph.data.shortlists import ShortlistDataset
from xcgraph.data.xc_data import NO_PAIRS, Split
from xcgraph.errors import UserError
from xcgraph.graph.game import expand_scores, meta_graph
from xcgraph.metrics.xc_metrics import XCMetrics
from xcgraph.nn.encoder import Encoder
from xcgraph.recipes.portable import Scoring
from xcgraph.recipes.workspace import Keyed, Workspace
from xcgraph.sparse import top_k_rows
from xcgraph.storage.artifacts import content_key
from xcgraph.tasks.label_network import LabelInputs, LabelNetwork
from xcgraph.tasks.meta_text import joined_texts
from xcgraph.tasks.xc_task import XCTask
from xcgraph.training.stage import Stage


@dataclass(frozen=True)
class Beams:
    """The best meta-labels of each point.

    Attributes:
        meta_labels: (points, beam) best first, padded with -1.
        log_probability: (points, beam) of these, after GAME; 0 for padding.
    """

    meta_labels: NDArray[np.int32]
    log_probability: NDArray[np.float32]


@runtime_checkable
class Shortlister(Protocol):
    """A trained shortlister.

    Attributes:
        members: (meta-labels, labels) 1 where a label is a member of a meta-label.
    """

    members: csr_array

    def beams(self, features: csr_array) -> Beams:
        """Find the best meta-labels of (points, tokens) texts (Module III)."""


@dataclass(frozen=True, kw_only=True)
class TreeInputs:
    """What a tree of an ensemble starts with.

    Attributes:
        work: data, store and seed.
        network: parts of every task.
        stage: how the shortlister is trained.
        encoder: the surrogate's, of Module I.
        graph: (labels, labels) Ĝ.
        cluster: clusters the labels of a tree.
        tree: the number of the tree.
    """

    work: Workspace
    network: LabelNetwork
    stage: Stage
    encoder: Keyed[Encoder]
    graph: Keyed[csr_array]
    cluster: Callable[[int], Keyed[MetaLabels]]
    tree: int


@dataclass(frozen=True, kw_only=True)
class ShortlisterConfig:
    """How labels are shortlisted: by a classifier over clusters of them.

    Attributes:
        num_meta_labels: clusters of labels, a power of two; None for about ``labels_per_meta_label`` each.
        labels_per_meta_label: mean size of a cluster if ``num_meta_labels`` is None. The papers have about 4.
        num_neighbors: edges kept per meta-label in the graph of meta-labels.
        beam_size: meta-labels kept per point.
        game_mix: share of the graph-expanded scores in those of the meta-labels (GAME i).
        join_neighbours: whether a training point's shortlist also takes the graph neighbours of its labels
            (GAME iii).
        meta_text: what a meta-label takes from the texts of its labels.
    """

    is_trained: ClassVar[bool] = True  # whether Module II is a training

    num_meta_labels: int | None = None
    labels_per_meta_label: int = 4
    num_neighbors: int = 10
    beam_size: int = 50
    game_mix: float = 0.5
    join_neighbours: bool = False
    meta_text: Callable[[MetaLabels, csr_array, csr_array, csr_array], LabelInputs] = joined_texts

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

    def fit(self, learned: TreeInputs) -> Keyed[Shortlister]:
        """Module II: cluster again in the learned space and learn the meta-labels, now refined."""
        work, graph = learned.work, learned.graph
        clusters = learned.cluster(learned.tree)
        metas = clusters.value
        between = meta_graph(graph.value, metas.membership(), self.num_neighbors)
        task = work.keep_task(
            f"tree-{learned.tree}-shortlister",
            {
                "network": learned.network,
                "encoder": learned.encoder.key,
                "clusters": clusters.key,
                "graph": graph.key,
                "num_neighbors": self.num_neighbors,
                "meta_text": self.meta_text,
            },
            learned.stage,
            lambda: learned.network.build(
                self.meta_text(metas, work.label_features, graph.value, between),
                work.positive_rate(metas.num_meta_labels),
                learned.encoder.value,
            ),
            (meta_points(work.train, metas), meta_points(work.valid, metas)),
            XCMetrics(metas.num_meta_labels, (1, 3, 5, 20, 100)),
        )
        shortlister = TreeShortlister(task.value, learned.stage, metas, between, self)
        made_of = {"task": task.key, "beam_size": self.beam_size, "game_mix": self.game_mix}
        return Keyed(shortlister, content_key(made_of))


class TreeShortlister:
    """Scores clusters of labels, the leaves of a tree.

    Args:
        task: scores meta-labels.
        stage: knows how to predict.
        meta_labels: the clusters C.
        graph: (meta-labels, meta-labels) Ĝ of GAME.
        config: beam and GAME.

    Attributes:
        members: (meta-labels, labels) 1 where a label is a member of a meta-label.
    """

    def __init__(
        self, task: XCTask, stage: Stage, meta_labels: MetaLabels, graph: csr_array, config: ShortlisterConfig
    ) -> None:
        self.members = meta_labels.membership()
        self.meta_labels = meta_labels
        self.task, self.graph, self.config = task, graph, config
        self._stage = stage

    def beams(self, features: csr_array) -> Beams:
        """Find the best meta-labels of (points, tokens) texts (Module III)."""
        beam = self.config.beam_size
        points = AllLabelsDataset(unlabelled(features, self.members.shape[0]))
        return keep_beams(self._stage.predict(self.task, points, beam), self.graph, self.config)

    def portable(self) -> Scoring:
        """Return the scores of meta-labels, and GAME, in the portable form."""
        return Scoring.of(
            self.task.scoring(),
            graph=self.graph,
            game_mix=self.config.game_mix,
            top_k=self.config.beam_size,
        )


def keep_beams(scores: csr_array, graph: csr_array, config: ShortlisterConfig) -> Beams:
    """Expand (points, meta-labels) probabilities over their graph and keep the best of each point."""
    expanded = expand_scores(scores, graph, config.game_mix, config.beam_size)
    meta_labels, probability = top_k_rows(expanded, config.beam_size)
    log_probability = np.log(probability.clip(min=np.finfo(np.float32).tiny))
    return Beams(meta_labels, np.where(meta_labels < 0, 0, log_probability).astype(np.float32))


def shortlist(
    split: Split, shortlister: Shortlister, beams: Beams, neighbours: csr_array | None = None
) -> ShortlistDataset:
    """Ask of each point the labels in its beam, and with ``neighbours`` those next to them in that graph."""
    return ShortlistDataset(split, beams.meta_labels, beams.log_probability, shortlister.members, neighbours)


def meta_points(split: Split, meta_labels: MetaLabels) -> AllLabelsDataset:
    """Ask of each point all meta-labels; those of its labels are true."""
    return AllLabelsDataset(Split(split.features, meta_labels.meta_targets(split.labels), NO_PAIRS))


def unlabelled(features: csr_array, num_labels: int) -> Split:
    """Make points of which only the text is known."""
    return Split(features, csr_array((features.shape[0], num_labels), dtype=np.float32), NO_PAIRS)
