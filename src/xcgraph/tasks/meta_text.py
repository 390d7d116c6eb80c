"""Builds the texts of meta-labels from the texts of their labels, for Module II."""

from scipy.sparse import csr_array

from xcgraph.clustering.meta_labels import MetaLabels
from xcgraph.tasks.label_network import LabelInputs


def joined_texts(
    meta_labels: MetaLabels, texts: csr_array, graph: csr_array, between: csr_array
) -> LabelInputs:
    """Give each meta-label the sum of its labels' texts as its own text: E_L(Σ_l z_l) (ECLARE).

    Args:
        meta_labels: the clusters.
        texts: (labels, tokens) label texts Z.
        graph: (labels, labels) Ĝ.
        between: (meta, meta) Ĝ of the meta-labels.
    """
    del graph
    return LabelInputs(meta_labels.meta_features(texts), between)


def summed_views(
    meta_labels: MetaLabels, texts: csr_array, graph: csr_array, between: csr_array
) -> LabelInputs:
    """Give each meta-label the sum of its labels' encoded views: Σ_l E_L(z_l) (DECAF, Module II).

    It takes the same arguments as :func:`joined_texts`.
    """
    del between
    return LabelInputs(texts, graph, meta_labels.membership())
