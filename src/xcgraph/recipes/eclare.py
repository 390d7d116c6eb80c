"""The recipe of ECLARE (Mittal et al., WWW'21, section 3) and DECAF (WSDM'21, section 3).

- Module I, token embeddings from a surrogate task: ``Eclare.surrogate``.
- Module II, meta-labels and the shortlister: ``ShortlisterConfig.fit``.
- Module III, beams and shortlists: ``Eclare._shortlists``.
- Module IV, the ranker: ``Eclare._ranker``.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar

from scipy.sparse import csr_array

from xcgraph.clustering.balanced import BalancedTree
from xcgraph.clustering.meta_labels import MetaLabels
from xcgraph.data.anchors import AnchorSet
from xcgraph.data.shortlists import ShortlistDataset
from xcgraph.errors import UserError
from xcgraph.graph.base import LabelGraph
from xcgraph.graph.game import meta_graph
from xcgraph.metrics.xc_metrics import XCMetrics
from xcgraph.nn.encoder import Encoder
from xcgraph.recipes.anchors import AnchorSource, NoAnchors, check_anchors, find_anchors
from xcgraph.recipes.keyed import Keyed
from xcgraph.recipes.label_clusters import build_graph, cluster_labels, to_meta_labels
from xcgraph.recipes.models import Ensemble, Ranker, RankerConfig, Tree
from xcgraph.recipes.shortlister import ShortlisterConfig, TreeInputs, meta_points
from xcgraph.recipes.shortlists import Shortlister, find_beams, make_shortlists
from xcgraph.recipes.sizes import DataSizes, check_num_labels, lower
from xcgraph.recipes.workspace import Training, Workspace
from xcgraph.tasks.label_network import LabelInputs, LabelNetwork
from xcgraph.tasks.regularization import NoRegularization, Regularization
from xcgraph.tasks.xc_task import XCTask
from xcgraph.training.stage import Stage

AnyEclare = TypeVar("AnyEclare", bound="Eclare")


@dataclass(frozen=True, kw_only=True)
class Stages:
    """How to train Module I, Module II and Module IV."""

    surrogate: Stage
    shortlister: Stage
    ranker: Stage


@dataclass(frozen=True, kw_only=True)
class Eclare:
    """ECLARE: label text, label correlation graph and refinement vectors, on shortlists of labels.

    DECAF, by the same authors, has the same four modules with other parts: no graph, gates instead of
    attention, and token embeddings that stay trainable.

    Attributes:
        graph: builds the label correlation graph.
        clustering: clusters labels into meta-labels.
        network: encoder, propagation, fusion and refinement of all modules.
        shortlister: meta-labels, beam and GAME of Modules II and III.
        ranker: number of predictions and GAME of Module IV.
        stages: how to train each module.
        num_trees: number of clusterings; each has its own shortlister and ranker.
        first_tree: number of the first tree. Several runs can train one tree each, and a last run with all
            trees then takes them from the store.
        smooth_centroids: whether a label's centroid also includes its neighbours' points.
        anchors: anchors of the regularizer.
        regularizer: adds RAMEN's graph regularizers to the loss of Module I.
    """

    graph: LabelGraph
    clustering: BalancedTree
    network: LabelNetwork
    shortlister: ShortlisterConfig
    ranker: RankerConfig
    stages: Stages
    num_trees: int = 3
    first_tree: int = 0
    smooth_centroids: bool = True
    anchors: AnchorSource = field(default_factory=NoAnchors)
    regularizer: Regularization = field(default_factory=NoRegularization)

    def __post_init__(self) -> None:
        if self.num_trees < 1:
            raise UserError(f"num_trees must be ≥ 1, got {self.num_trees}.")
        if self.first_tree < 0:
            raise UserError(f"first_tree must be ≥ 0, got {self.first_tree}.")

    @property
    def _trees(self) -> range:
        return range(self.first_tree, self.first_tree + self.num_trees)

    def check(self, num_labels: int) -> None:
        """Check all parts for this number of labels, before any data is read.

        Raises:
            UserError: a part refuses a value, or there are no labels.
        """
        check_num_labels(num_labels)
        check_anchors(self.anchors, self.regularizer)
        smallest = self.network.check()
        for stage in (self.stages.surrogate, self.stages.shortlister, self.stages.ranker):
            stage.check(smallest)

    def sized(self: AnyEclare, sizes: DataSizes) -> tuple[AnyEclare, tuple[str, ...]]:
        """Return the recipe with settings that fit the data, and the changes for the log."""
        ranker, fewer = lower(self.ranker, "top_k", sizes.num_labels, key="ranker.top_k")
        shortlister, smaller = self.shortlister.sized(sizes.num_labels)
        return replace(self, ranker=ranker, shortlister=shortlister), (*fewer, *smaller)

    def epochs(self) -> dict[str, int]:
        """Return the number of epochs of each training, by name and in order."""
        shortlister = (
            {"shortlister": self.stages.shortlister.max_epochs} if self.shortlister.is_trained else {}
        )
        parts = {**shortlister, "ranker": self.stages.ranker.max_epochs}
        return {
            "surrogate": self.stages.surrogate.max_epochs,
            **{f"tree-{tree}-{part}": count for tree in self._trees for part, count in parts.items()},
        }

    def fit(self, work: Workspace) -> Ensemble:
        """Train Modules I to IV; take from the workspace's store what it already has."""
        self.check(work.num_labels)
        recipe, _ = self.sized(work.sizes)
        encoder = recipe.surrogate(work)  # Module I
        graph = recipe._graph(work, encoder)
        return Ensemble(tuple(recipe._tree(work, encoder, graph, tree) for tree in recipe._trees))

    def surrogate(self, work: Workspace) -> Keyed[Encoder]:
        """Module I: learn token embeddings on the surrogate task of predicting meta-labels."""
        graph = self._graph(work, None)
        task = work.keep_task(
            "surrogate",
            _surrogate_training,
            stage=self.stages.surrogate,
            network=self.network.surrogate,
            clusters=self._cluster(work, None, graph, tree=0),
            graph=graph,
            num_neighbors=self.shortlister.num_neighbors,
            anchors=find_anchors(work, self.anchors),
            regularizer=self.regularizer,
        )
        return task.map(_encoder_of)

    def _tree(self, work: Workspace, encoder: Keyed[Encoder], graph: Keyed[csr_array], tree: int) -> Tree:
        """Modules II to IV: train a shortlister, shortlist labels, and train a ranker on the shortlists."""
        inputs = TreeInputs(
            work=work,
            network=self.network,
            stage=self.stages.shortlister,
            encoder=encoder,
            graph=graph,
            cluster=partial(self._cluster, work, encoder, graph),
            tree=tree,
        )
        shortlister = self.shortlister.fit(inputs)  # Module II
        shortlists = self._shortlists(inputs, shortlister)  # Module III
        return Tree(shortlister.value, self._ranker(inputs, shortlists))  # Module IV

    def _shortlists(
        self, inputs: TreeInputs, shortlister: Keyed[Shortlister]
    ) -> Keyed[tuple[ShortlistDataset, ShortlistDataset]]:
        """Module III: shortlist the labels in each point's beam, for training and for validation."""
        work, name = inputs.work, f"tree-{inputs.tree}-beams"
        return work.derive(
            f"tree-{inputs.tree}-shortlists",
            make_shortlists,
            shortlister=shortlister,
            train=work.keep_arrays(f"{name}-train", find_beams, shortlister=shortlister, split="train"),
            valid=work.keep_arrays(f"{name}-valid", find_beams, shortlister=shortlister, split="valid"),
            neighbours=inputs.graph if self.shortlister.join_neighbours else None,
        )

    def _ranker(
        self, inputs: TreeInputs, shortlists: Keyed[tuple[ShortlistDataset, ShortlistDataset]]
    ) -> Ranker:
        """Module IV: train one classifier per label on the shortlists."""
        task = inputs.work.keep_task(
            f"tree-{inputs.tree}-ranker",
            _ranker_training,
            stage=self.stages.ranker,
            network=self.network,
            encoder=inputs.encoder,
            graph=inputs.graph,
            shortlists=shortlists,
        )
        return Ranker(task=task.value, stage=self.stages.ranker, graph=inputs.graph.value, config=self.ranker)

    def _graph(self, work: Workspace, encoder: Keyed[Encoder] | None) -> Keyed[csr_array]:
        """Build the label correlation graph; a trained encoder lets it prune edges by label text."""
        name = "graph-surrogate" if encoder is None else "graph"
        return work.keep_matrix(name, build_graph, graph=self.graph, encoder=encoder)

    def _cluster(
        self, work: Workspace, encoder: Keyed[Encoder] | None, graph: Keyed[csr_array], tree: int
    ) -> Keyed[MetaLabels]:
        """Cluster labels into the meta-labels of Module I, or with an encoder into those of Module II."""
        clusters = work.keep_arrays(
            "clusters-surrogate" if encoder is None else f"tree-{tree}-clusters",
            cluster_labels,
            clustering=self.clustering,
            count=self.shortlister.count_meta_labels(work.num_labels),
            graph=graph if self.smooth_centroids else None,
            encoder=encoder,
            tree=tree,
        )
        return clusters.map(to_meta_labels)


def _surrogate_training(
    work: Workspace,
    *,
    network: LabelNetwork,
    clusters: MetaLabels,
    graph: csr_array,
    num_neighbors: int,
    anchors: Sequence[AnchorSet],
    regularizer: Regularization,
) -> Training[XCTask]:
    between = meta_graph(graph, clusters.membership(), num_neighbors)
    labels = LabelInputs(clusters.meta_features(work.label_features), between)
    task = network.build(labels, work.positive_rate(clusters.num_meta_labels))
    return Training(
        task=regularizer.add_to(task, anchors, work.label_features),
        train=meta_points(work.train, clusters),
        valid=meta_points(work.valid, clusters),
        metrics=XCMetrics(clusters.num_meta_labels, (1, 3, 5)),
    )


def _encoder_of(task: XCTask) -> Encoder:
    return task.encoder


def _ranker_training(
    work: Workspace,
    *,
    network: LabelNetwork,
    encoder: Encoder,
    graph: csr_array,
    shortlists: tuple[ShortlistDataset, ShortlistDataset],
) -> Training[XCTask]:
    train, valid = shortlists
    labels = LabelInputs(work.label_features, graph)
    task = network.build(labels, work.positive_rate(work.num_labels), encoder)
    return Training(task=task, train=train, valid=valid, metrics=work.label_metrics())
