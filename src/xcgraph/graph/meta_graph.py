"""The label graph seen from the meta-labels."""

from scipy.sparse import csr_array

from xcgraph.sparse import retain_top_k, symmetric_normalize


def meta_graph(graph: csr_array, membership: csr_array, num_neighbors: int) -> csr_array:
    """Connect meta-labels as their labels are connected: T · G · Tᵀ, cut to its strongest edges, normalised.

    The shortlister of ECLARE (section 3) propagates over it. A meta-label's edge to itself counts as one of
    its ``num_neighbors`` edges, as in the published code (ECLARE ``models/network.py``, ``_load_graph``).

    Args:
        graph: (labels, labels) label correlation graph, entries ≥ 0.
        membership: (meta, labels), 1 where the label is a member of the meta-label.
        num_neighbors: edges kept per meta-label, at least 1; ties go to the smaller meta-label.

    Returns:
        (meta, meta) float32 with sorted indices.
    """
    between = csr_array(membership @ graph @ membership.T.tocsr())
    return symmetric_normalize(retain_top_k(between, num_neighbors))
