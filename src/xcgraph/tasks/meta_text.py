"""What a meta-label takes from the texts of its labels in Module II."""

from scipy.sparse import csr_array

from xcgraph.clustering.meta_labels import MetaLabels
from xcgraph.tasks.label_network import LabelInputs


def joined_texts(
    meta_labels: MetaLabels, texts: csr_array, graph: csr_array, between: csr_array
) -> LabelInputs:
    """Give each meta-label a text of its own, the joined texts of its labels: E_L(Σ_l z_l) (ECLARE).

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
    """Sum what the labels' texts have become: Σ_l E_L(z_l) (DECAF Module II). Arguments as above."""
    del between
    return LabelInputs(texts, graph, meta_labels.membership())
