"""Steps of the recipes: the label correlation graph, and the clusters of labels that it smooths."""

from numpy.typing import NDArray
from scipy.sparse import csr_array

from xcgraph.clustering.balanced import BalancedTree
from xcgraph.clustering.meta_labels import MetaLabels, label_centroids
from xcgraph.graph.base import IdentityGraph, LabelGraph
from xcgraph.nn.encoder import Encoder
from xcgraph.recipes.workspace import Workspace, embed


def build_graph(work: Workspace, *, graph: LabelGraph, encoder: Encoder | None) -> csr_array:
    """Build the (labels, labels) Ĝ; with an encoder, the graph can prune edges by the labels' texts."""
    vectors = None if encoder is None else embed(encoder, work.label_features)
    return graph.build(work.train.labels, vectors, work.seed_for("graph"))


def cluster_labels(
    work: Workspace,
    *,
    clustering: BalancedTree,
    count: int,
    graph: csr_array | None,
    encoder: Encoder | None,
    tree: int,
) -> dict[str, NDArray]:
    """Cluster labels by the centroids of their points.

    Args:
        work: data and seed.
        clustering: the clustering algorithm.
        count: number of clusters.
        graph: (labels, labels) Ĝ, over which centroids are averaged; None to leave them as they are.
        encoder: embeds the points; None to take centroids of token weights.
        tree: number of the tree; each has its own random numbers.
    """
    points, texts = work.train.features, work.label_features
    if encoder is not None:
        points, texts = embed(encoder, points), embed(encoder, texts)
    smoothing = IdentityGraph().build(work.train.labels, None, 0) if graph is None else graph
    centroids = label_centroids(points, work.train.labels, texts, smoothing)
    return {"assignment": clustering.fit(centroids, count, work.seed_for("clusters", tree))}


def to_meta_labels(clusters: dict[str, NDArray]) -> MetaLabels:
    """Return the result of :func:`cluster_labels` as meta-labels."""
    assignment = clusters["assignment"]
    return MetaLabels(assignment, int(assignment.max()) + 1)
