"""Module II: the shortlister S = {C, H}, which is clusters of labels and a classifier over them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

from scipy.sparse import csr_array

from xcgraph.clustering.meta_labels import MetaLabels
from xcgraph.data.batching import AllLabelsDataset
from xcgraph.data.xc_data import NO_PAIRS, Split
from xcgraph.errors import UserError
from xcgraph.graph.game import meta_graph
from xcgraph.metrics.xc_metrics import XCMetrics
from xcgraph.nn.encoder import Encoder
from xcgraph.recipes.keyed import Keyed
from xcgraph.recipes.portable import Scoring
from xcgraph.recipes.shortlists import BeamConfig, Beams, keep_beams, unlabelled
from xcgraph.recipes.shortlists import Shortlister as Shortlister
from xcgraph.recipes.sizes import lower
from xcgraph.recipes.workspace import Training, Workspace
from xcgraph.tasks.label_network import LabelInputs, LabelNetwork
from xcgraph.tasks.meta_text import joined_texts
from xcgraph.tasks.xc_task import XCTask
from xcgraph.training.stage import Stage

MetaText: TypeAlias = Callable[[MetaLabels, csr_array, csr_array, csr_array], LabelInputs]


@dataclass(frozen=True, kw_only=True)
class TreeInputs:
    """The inputs of Module II for one tree of an ensemble.

    Attributes:
        work: data, store and seed.
        network: parts of every task.
        stage: how to train the shortlister.
        encoder: the trained encoder of Module I.
        graph: (labels, labels) Ĝ.
        cluster: clusters the labels for a tree of this number.
        tree: number of the tree.
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
    """Shortlists the labels of the clusters that a trained classifier finds best.

    Attributes:
        num_meta_labels: number of clusters, a power of two; None for clusters of about
            ``labels_per_meta_label`` labels.
        labels_per_meta_label: mean size of a cluster if ``num_meta_labels`` is None; about 4 in the papers.
        num_neighbors: edges per meta-label in the graph of meta-labels.
        beam_size: maximum number of meta-labels per point.
        game_mix: weight of the graph-expanded scores of meta-labels (GAME i).
        join_neighbours: whether the shortlist of a training point includes the graph neighbours of its
            labels (GAME iii).
        meta_text: makes the text of meta-labels from the texts of their labels.
    """

    is_trained: ClassVar[bool] = True  # whether Module II trains a classifier

    num_meta_labels: int | None = None
    labels_per_meta_label: int = 4
    num_neighbors: int = 10
    beam_size: int = 50
    game_mix: float = 0.5
    join_neighbours: bool = False
    meta_text: MetaText = joined_texts

    def __post_init__(self) -> None:
        for name in ("labels_per_meta_label", "num_neighbors", "beam_size"):
            if getattr(self, name) < 1:
                raise UserError(f"shortlister.{name} must be ≥ 1, got {getattr(self, name)}.")
        if not 0 <= self.game_mix <= 1:
            raise UserError(f"shortlister.game_mix must lie in [0, 1], got {self.game_mix}.")
        count = self.num_meta_labels
        if count is not None and (count < 1 or count & (count - 1)):
            raise UserError(f"shortlister.num_meta_labels must be a power of two, got {count}.")

    @property
    def beam(self) -> BeamConfig:
        """How to choose the beam of a point."""
        return BeamConfig(beam_size=self.beam_size, game_mix=self.game_mix)

    def count_meta_labels(self, num_labels: int) -> int:
        """Return the number of clusters for this number of labels; a cluster may be empty."""
        if self.num_meta_labels is not None:
            return self.num_meta_labels
        return 1 << max(0, (num_labels // self.labels_per_meta_label).bit_length() - 1)

    def max_beam_size(self, num_labels: int) -> int:
        """Return the largest possible beam: all clusters that are not empty."""
        return min(self.count_meta_labels(num_labels), num_labels)

    def sized(self, num_labels: int) -> tuple["ShortlisterConfig", tuple[str, ...]]:
        """Return these settings, lowered to what so many labels allow, and the changes for the log."""
        smallest = 1 << (num_labels - 1).bit_length()  # with more clusters than this, some would be empty
        config = self
        changes: tuple[str, ...] = ()
        if self.num_meta_labels is not None:
            config, changes = lower(self, "num_meta_labels", smallest, key="shortlister.num_meta_labels")
        limit = config.max_beam_size(num_labels)
        config, narrower = lower(config, "beam_size", limit, key="shortlister.beam_size")
        return config, (*changes, *narrower)

    def fit(self, inputs: TreeInputs) -> Keyed[Shortlister]:
        """Module II: cluster the labels in the trained space, and train a classifier over the clusters."""
        work, tree, graph = inputs.work, inputs.tree, inputs.graph
        clusters = inputs.cluster(tree)
        between = work.derive(
            f"tree-{tree}-meta-graph",
            _connect,
            graph=graph,
            clusters=clusters,
            num_neighbors=self.num_neighbors,
        )
        task = work.keep_task(
            f"tree-{tree}-shortlister",
            _shortlister_training,
            stage=inputs.stage,
            network=inputs.network,
            encoder=inputs.encoder,
            clusters=clusters,
            graph=graph,
            between=between,
            meta_text=self.meta_text,
        )
        return work.derive(
            f"tree-{tree}-tree-shortlister",
            _make_shortlister,
            task=task,
            stage=inputs.stage,
            clusters=clusters,
            between=between,
            beam=self.beam,
        )


class TreeShortlister:
    """Scores clusters of labels, which are the leaves of a balanced tree.

    Args:
        task: scores meta-labels.
        stage: how to predict.
        meta_labels: the clusters C.
        graph: (meta-labels, meta-labels) Ĝ for GAME.
        config: beam size and GAME.

    Attributes:
        members: (meta-labels, labels) 1 where a label is a member of a meta-label.
    """

    def __init__(
        self, task: XCTask, stage: Stage, meta_labels: MetaLabels, graph: csr_array, config: BeamConfig
    ) -> None:
        self.members = meta_labels.membership()
        self.meta_labels = meta_labels
        self.task, self.graph, self.config = task, graph, config
        self._stage = stage

    def beams(self, features: csr_array) -> Beams:
        """Find the best meta-labels of (points, tokens) texts (Module III)."""
        points = AllLabelsDataset(unlabelled(features, self.members.shape[0]))
        return keep_beams(
            self._stage.predict(self.task, points, self.config.beam_size), self.graph, self.config
        )

    def portable(self) -> Scoring:
        """Return the scores of meta-labels, and GAME, in the portable form."""
        return Scoring.of(
            self.task.scoring(),
            graph=self.graph,
            game_mix=self.config.game_mix,
            top_k=self.config.beam_size,
        )


def _connect(
    work: Workspace,  # noqa: ARG001 - of all steps
    *,
    graph: csr_array,
    clusters: MetaLabels,
    num_neighbors: int,
) -> csr_array:
    return meta_graph(graph, clusters.membership(), num_neighbors)


def _shortlister_training(
    work: Workspace,
    *,
    network: LabelNetwork,
    encoder: Encoder,
    clusters: MetaLabels,
    graph: csr_array,
    between: csr_array,
    meta_text: MetaText,
) -> Training[XCTask]:
    labels = meta_text(clusters, work.label_features, graph, between)
    return Training(
        task=network.build(labels, work.positive_rate(clusters.num_meta_labels), encoder),
        train=meta_points(work.train, clusters),
        valid=meta_points(work.valid, clusters),
        metrics=XCMetrics(clusters.num_meta_labels, (1, 3, 5, 20, 100)),
    )


def _make_shortlister(
    work: Workspace,  # noqa: ARG001 - of all steps
    *,
    task: XCTask,
    stage: Stage,
    clusters: MetaLabels,
    between: csr_array,
    beam: BeamConfig,
) -> Shortlister:
    return TreeShortlister(task, stage, clusters, between, beam)


def meta_points(split: Split, meta_labels: MetaLabels) -> AllLabelsDataset:
    """Pair each point with all meta-labels; the meta-labels of its labels are positive."""
    return AllLabelsDataset(Split(split.features, meta_labels.meta_targets(split.labels), NO_PAIRS))
