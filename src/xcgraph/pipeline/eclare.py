"""The recipe of ECLARE (Mittal et al., WWW'21), Modules I to IV in the order of the paper."""

from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import csr_array

from xcgraph.clustering.balanced import BalancedTree
from xcgraph.clustering.meta_labels import MetaLabels, label_centroids
from xcgraph.data.batching import FullTargets
from xcgraph.data.shortlists import ShortlistTargets
from xcgraph.data.xc_data import NO_PAIRS, Split
from xcgraph.errors import UserError
from xcgraph.graph.base import LabelGraph
from xcgraph.graph.meta_graph import meta_graph
from xcgraph.metrics.xc_metrics import XCMetrics
from xcgraph.nn.encoder import Encoder
from xcgraph.nn.refinement import NoRefinement
from xcgraph.pipeline.ensemble import Ensemble, Tree
from xcgraph.pipeline.ranker import Ranker, RankerConfig
from xcgraph.pipeline.shortlister import Beams, Shortlister, ShortlisterConfig
from xcgraph.pipeline.stage import Stage
from xcgraph.pipeline.workspace import Keyed, Workspace, embed
from xcgraph.tasks.builder import TaskBuilder
from xcgraph.tasks.xc_task import XCTask


@dataclass(frozen=True, kw_only=True)
class Stages:
    """How each of the three trainings goes."""

    surrogate: Stage
    shortlister: Stage
    ranker: Stage


@dataclass(frozen=True, kw_only=True)
class Eclare:
    """ECLARE: label text, label correlation graph and refinement vectors, over a shortlist.

    Attributes:
        graph: builds the label correlation graph.
        clustering: clusters labels into meta-labels.
        tasks: encoder, propagation, fusion and refinement of every stage.
        shortlister: meta-labels, beam, GAME.
        ranker: predictions, GAME.
        stages: how each training goes.
        num_trees: how many clusterings, each with a shortlister and a ranker of its own.
    """

    graph: LabelGraph
    clustering: BalancedTree
    tasks: TaskBuilder
    shortlister: ShortlisterConfig
    ranker: RankerConfig
    stages: Stages
    num_trees: int = 3

    def __post_init__(self) -> None:
        if self.num_trees < 1:
            raise UserError(f"num_trees must be ≥ 1, got {self.num_trees}.")

    def check(self, num_labels: int) -> None:
        """Refuse what cannot be with so many labels, before anything is read or trained.

        Raises:
            UserError: a part refuses a value, or the beam or the number of predictions is too large.
        """
        smallest = self.tasks.check()
        for stage in (self.stages.surrogate, self.stages.shortlister, self.stages.ranker):
            stage.check(smallest)
        self.shortlister.count_meta_labels(num_labels)
        if self.ranker.top_k > num_labels:
            raise UserError(
                f"ranker.top_k={self.ranker.top_k} is larger than the number of labels, {num_labels}."
            )

    def fit(self, work: Workspace) -> Ensemble:
        """Train everything that is not yet in the workspace's store."""
        self.check(work.num_labels)
        encoder = self._surrogate(work)
        graph = self._graph(work, encoder)
        return Ensemble(tuple(self._tree(work, encoder, graph, tree) for tree in range(self.num_trees)))

    def _surrogate(self, work: Workspace) -> Keyed[Encoder]:
        """Module I: learn token embeddings on the task of predicting meta-labels, without refinement."""
        graph = self._graph(work, None)
        meta_labels = self._cluster(work, None, graph, tree=0)
        metas = meta_labels.value

        def build() -> XCTask:
            between = meta_graph(graph.value, metas.membership(), self.shortlister.num_neighbors)
            texts = metas.meta_features(work.label_features)
            return self.tasks.tied(texts, between, _positive_rate(work, metas.num_meta_labels))

        task = work.keep_task(
            "surrogate",
            {
                # It has no refinement vectors: a sweep over these shares it.
                "tasks": replace(self.tasks, refinement=NoRefinement),
                "clusters": meta_labels.key,
                "num_neighbors": self.shortlister.num_neighbors,
            },
            self.stages.surrogate,
            build,
            (_meta_points(work.train, metas), _meta_points(work.valid, metas)),
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
        """Cluster labels by graph-smoothed centroids: of token weights, or of embeddings once there are."""
        count = self.shortlister.count_meta_labels(work.num_labels)

        def compute() -> dict[str, np.ndarray]:
            points, texts = work.train.features, work.label_features
            if encoder is not None:
                points, texts = embed(encoder.value, points), embed(encoder.value, texts)
            centroids = label_centroids(points, work.train.labels, texts, graph.value)
            return {"assignment": self.clustering.fit(centroids, count, work.seed_for("clusters", tree))}

        name = "clusters-surrogate" if encoder is None else f"tree-{tree}-clusters"
        inputs = {
            "clustering": self.clustering,
            "count": count,
            "graph": graph.key,
            "encoder": encoder and encoder.key,
            "tree": tree,
        }
        clusters = work.keep_arrays(name, inputs, compute)
        assignment = clusters.value["assignment"]
        return Keyed(MetaLabels(assignment, int(assignment.max()) + 1), clusters.key)

    def _tree(self, work: Workspace, encoder: Keyed[Encoder], graph: Keyed[csr_array], tree: int) -> Tree:
        shortlister = self._shortlister(work, encoder, graph, tree)
        return Tree(shortlister.value, self._ranker(work, encoder, graph, shortlister, tree))

    def _shortlister(
        self, work: Workspace, encoder: Keyed[Encoder], graph: Keyed[csr_array], tree: int
    ) -> Keyed[Shortlister]:
        """Module II: cluster again in the learned space and learn the meta-labels, now refined."""
        meta_labels = self._cluster(work, encoder, graph, tree)
        metas = meta_labels.value
        between = meta_graph(graph.value, metas.membership(), self.shortlister.num_neighbors)
        task = work.keep_task(
            f"tree-{tree}-shortlister",
            {
                "tasks": self.tasks,
                "encoder": encoder.key,
                "clusters": meta_labels.key,
                "num_neighbors": self.shortlister.num_neighbors,
            },
            self.stages.shortlister,
            lambda: self.tasks.frozen(
                encoder.value,
                metas.meta_features(work.label_features),
                between,
                _positive_rate(work, metas.num_meta_labels),
            ),
            (_meta_points(work.train, metas), _meta_points(work.valid, metas)),
            XCMetrics(metas.num_meta_labels, (1, 3, 5, self.shortlister.beam_size)),
        )
        shortlister = Shortlister(
            task=task.value,
            stage=self.stages.shortlister,
            meta_labels=metas,
            graph=between,
            config=self.shortlister,
        )
        return Keyed(shortlister, task.key)

    def _ranker(
        self,
        work: Workspace,
        encoder: Keyed[Encoder],
        graph: Keyed[csr_array],
        shortlister: Keyed[Shortlister],
        tree: int,
    ) -> Ranker:
        """Modules III and IV: shortlist with trained beams and learn the labels on their shortlists."""
        joined = graph.value if self.shortlister.join_neighbours else None
        points = (
            self._shortlisted(work, work.train, shortlister, f"tree-{tree}-beams-train", joined),
            self._shortlisted(work, work.valid, shortlister, f"tree-{tree}-beams-valid", None),
        )
        task = work.keep_task(
            f"tree-{tree}-ranker",
            {
                "tasks": self.tasks,
                "encoder": encoder.key,
                "graph": graph.key,
                "shortlister": [shortlister.key, self.shortlister],
            },
            self.stages.ranker,
            lambda: self.tasks.frozen(
                encoder.value, work.label_features, graph.value, _positive_rate(work, work.num_labels)
            ),
            points,
            work.label_metrics(),
        )
        return Ranker(task=task.value, stage=self.stages.ranker, graph=graph.value, config=self.ranker)

    def _shortlisted(
        self,
        work: Workspace,
        split: Split,
        shortlister: Keyed[Shortlister],
        name: str,
        neighbours: csr_array | None,
    ) -> ShortlistTargets:
        metas = shortlister.value.meta_labels

        def compute() -> dict[str, np.ndarray]:
            beams = shortlister.value.beams(_meta_points(split, metas))
            return {"meta_labels": beams.meta_labels, "log_probability": beams.log_probability}

        inputs = {"shortlister": [shortlister.key, self.shortlister]}
        beams = Beams(**work.keep_arrays(name, inputs, compute).value)
        return ShortlistTargets(
            split, beams.meta_labels, beams.log_probability, metas.membership(), neighbours
        )


def _meta_points(split: Split, meta_labels: MetaLabels) -> FullTargets:
    return FullTargets(Split(split.features, meta_labels.meta_targets(split.labels), NO_PAIRS))


def _positive_rate(work: Workspace, num_labels: int) -> float:
    """Share of all (point, label) pairs that are true.

    The ranker starts there too, although more of its shortlisted pairs are true: starting at their rate was
    worse on the validation points of LF-WordNet-8K (PSP@5 24.4 instead of 26.5, one seed).
    """
    per_point = float(work.train.labels.nnz / len(work.train))
    return min(per_point / num_labels, 0.5)
