"""The recipe of ECLARE (Mittal et al., WWW'21) and DECAF (WSDM'21): Modules I to IV in their order."""

from dataclasses import dataclass, field
from functools import partial

import numpy as np
from scipy.sparse import csr_array

from xcgraph.clustering.balanced import BalancedTree
from xcgraph.clustering.meta_labels import MetaLabels, label_centroids
from xcgraph.data.shortlists import ShortlistDataset
from xcgraph.data.xc_data import Split
from xcgraph.errors import UserError
from xcgraph.graph.base import IdentityGraph, LabelGraph
from xcgraph.graph.game import meta_graph
from xcgraph.metrics.xc_metrics import XCMetrics
from xcgraph.nn.encoder import Encoder
from xcgraph.recipes.anchors import AnchorSource, NoAnchors, check_anchors
from xcgraph.recipes.models import Ensemble, Ranker, RankerConfig, Tree
from xcgraph.recipes.shortlister import (
    Beams,
    Shortlister,
    ShortlisterConfig,
    TreeInputs,
    meta_points,
    shortlist,
)
from xcgraph.recipes.workspace import Keyed, Workspace, embed
from xcgraph.tasks.label_network import LabelInputs, LabelNetwork
from xcgraph.tasks.regularization import NoRegularization, Regularization
from xcgraph.tasks.xc_task import XCTask
from xcgraph.training.stage import Stage


@dataclass(frozen=True, kw_only=True)
class Stages:
    """How each of the three trainings goes."""

    surrogate: Stage
    shortlister: Stage
    ranker: Stage


@dataclass(frozen=True, kw_only=True)
class Eclare:
    """ECLARE: label text, label correlation graph and refinement vectors, over a shortlist.

    DECAF, by the same authors, is the same four modules with other parts: no graph, gates instead of
    attention, embeddings that learn on.

    Attributes:
        graph: builds the label correlation graph.
        clustering: clusters labels into meta-labels.
        network: encoder, propagation, fusion and refinement of every stage.
        shortlister: meta-labels, beam, GAME.
        ranker: predictions, GAME.
        stages: how each training goes.
        num_trees: how many clusterings, each with a shortlister and a ranker of its own.
        first_tree: number of the first of them, so that runs may train a tree each for one that takes all.
        smooth_centroids: whether labels share in their neighbours' points before they are clustered.
        anchors: of the regularizer.
        regularizer: what graphs add to the loss of Module I, such as RAMEN's instead of ECLARE's convolution.
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
        """Refuse what cannot be with so many labels, before anything is read or trained.

        Raises:
            UserError: a part refuses a value, or the beam or the number of predictions is too large.
        """
        check_anchors(self.anchors, self.regularizer)
        smallest = self.network.check()
        for stage in (self.stages.surrogate, self.stages.shortlister, self.stages.ranker):
            stage.check(smallest)
        self.shortlister.count_meta_labels(num_labels)
        if self.ranker.top_k > num_labels:
            raise UserError(
                f"ranker.top_k={self.ranker.top_k} is larger than the number of labels, {num_labels}."
            )

    def epochs(self) -> dict[str, int]:
        """Return by name, in their order, how many epochs each training takes."""
        shortlister = (
            {"shortlister": self.stages.shortlister.max_epochs} if self.shortlister.is_trained else {}
        )
        parts = {**shortlister, "ranker": self.stages.ranker.max_epochs}
        return {
            "surrogate": self.stages.surrogate.max_epochs,
            **{f"tree-{tree}-{part}": count for tree in self._trees for part, count in parts.items()},
        }

    def fit(self, work: Workspace) -> Ensemble:
        """Train everything that is not yet in the workspace's store."""
        self.check(work.num_labels)
        encoder = self.surrogate(work)
        graph = self._graph(work, encoder)
        return Ensemble(tuple(self._tree(work, encoder, graph, tree) for tree in self._trees))

    def surrogate(self, work: Workspace) -> Keyed[Encoder]:
        """Module I: learn token embeddings on the task of predicting meta-labels."""
        graph = self._graph(work, None)
        clusters = self._cluster(work, None, graph, tree=0)
        metas, network, anchors = clusters.value, self.network.surrogate, self.anchors.find(work)

        def build() -> XCTask:
            between = meta_graph(graph.value, metas.membership(), self.shortlister.num_neighbors)
            labels = LabelInputs(metas.meta_features(work.label_features), between)
            task = network.build(labels, work.positive_rate(metas.num_meta_labels))
            return self.regularizer.add_to(task, anchors, work.label_features)

        task = work.keep_task(
            "surrogate",
            {
                "network": network,
                "clusters": clusters.key,
                "graph": graph.key,
                "num_neighbors": self.shortlister.num_neighbors,
                "anchors": self.anchors,
                "regularizer": self.regularizer,
            },
            self.stages.surrogate,
            build,
            (meta_points(work.train, metas), meta_points(work.valid, metas)),
            XCMetrics(metas.num_meta_labels, (1, 3, 5)),
        )
        return Keyed(task.value.encoder, task.key)

    def _graph(self, work: Workspace, encoder: Keyed[Encoder] | None) -> Keyed[csr_array]:
        """The label correlation graph; once there are trained embeddings, pruned by what the texts mean."""

        def build() -> csr_array:
            vectors = None if encoder is None else embed(encoder.value, work.label_features)
            return self.graph.build(work.train.labels, vectors, work.seed_for("graph"))

        name = "graph-surrogate" if encoder is None else "graph"
        return work.keep_matrix(name, {"graph": self.graph, "encoder": encoder and encoder.key}, build)

    def _cluster(
        self, work: Workspace, encoder: Keyed[Encoder] | None, graph: Keyed[csr_array], tree: int
    ) -> Keyed[MetaLabels]:
        """Cluster labels by their centroids: of token weights, or of embeddings once there are."""
        count = self.shortlister.count_meta_labels(work.num_labels)

        def compute() -> dict[str, np.ndarray]:
            points, texts = work.train.features, work.label_features
            if encoder is not None:
                points, texts = embed(encoder.value, points), embed(encoder.value, texts)
            sharing = (
                graph.value if self.smooth_centroids else IdentityGraph().build(work.train.labels, None, 0)
            )
            centroids = label_centroids(points, work.train.labels, texts, sharing)
            return {"assignment": self.clustering.fit(centroids, count, work.seed_for("clusters", tree))}

        name = "clusters-surrogate" if encoder is None else f"tree-{tree}-clusters"
        inputs = {
            "clustering": self.clustering,
            "count": count,
            "graph": graph.key if self.smooth_centroids else None,
            "encoder": encoder and encoder.key,
            "tree": tree,
        }
        clusters = work.keep_arrays(name, inputs, compute)
        assignment = clusters.value["assignment"]
        return Keyed(MetaLabels(assignment, int(assignment.max()) + 1), clusters.key)

    def _tree(self, work: Workspace, encoder: Keyed[Encoder], graph: Keyed[csr_array], tree: int) -> Tree:
        learned = TreeInputs(
            work=work,
            network=self.network,
            stage=self.stages.shortlister,
            encoder=encoder,
            graph=graph,
            cluster=partial(self._cluster, work, encoder, graph),
            tree=tree,
        )
        shortlister = self.shortlister.fit(learned)
        return Tree(shortlister.value, self._ranker(learned, shortlister))

    def _ranker(self, learned: TreeInputs, shortlister: Keyed[Shortlister]) -> Ranker:
        """Modules III and IV: shortlist with trained beams and learn the labels on their shortlists."""
        work, encoder, graph, tree = learned.work, learned.encoder, learned.graph, learned.tree
        joined = graph.value if self.shortlister.join_neighbours else None
        points = (
            _shortlisted(work, work.train, shortlister, f"tree-{tree}-beams-train", joined),
            _shortlisted(work, work.valid, shortlister, f"tree-{tree}-beams-valid", None),
        )
        task = work.keep_task(
            f"tree-{tree}-ranker",
            {
                "network": self.network,
                "encoder": encoder.key,
                "graph": graph.key,
                "shortlister": shortlister.key,
                "join_neighbours": self.shortlister.join_neighbours,
            },
            self.stages.ranker,
            lambda: self.network.build(
                LabelInputs(work.label_features, graph.value),
                work.positive_rate(work.num_labels),
                encoder.value,
            ),
            points,
            work.label_metrics(),
        )
        return Ranker(task=task.value, stage=self.stages.ranker, graph=graph.value, config=self.ranker)


def _shortlisted(
    work: Workspace, split: Split, shortlister: Keyed[Shortlister], name: str, neighbours: csr_array | None
) -> ShortlistDataset:
    def compute() -> dict[str, np.ndarray]:
        beams = shortlister.value.beams(split.features)
        return {"meta_labels": beams.meta_labels, "log_probability": beams.log_probability}

    beams = Beams(**work.keep_arrays(name, {"shortlister": shortlister.key}, compute).value)
    return shortlist(split, shortlister.value, beams, neighbours)
