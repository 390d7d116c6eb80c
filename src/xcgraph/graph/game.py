"""Use of the label graph in ECLARE's predictions: expansion of scores (GAME), and a graph of meta-labels."""

import numpy as np
from scipy.sparse import csr_array, vstack

from xcgraph.sparse import retain_top_k, symmetric_normalize

_BLOCK_ROWS = 1 << 13


def expand_scores(scores: csr_array, graph: csr_array, mix: float, top_k: int) -> csr_array:
    """Spread the scores of labels to their neighbours (GAME, ECLARE section 3).

    p ← (1 − mix) · p + mix · top_k(p · Ĝ); each row keeps its ``top_k`` largest entries. The
    result is not a probability, because rows of Ĝ do not sum to 1.

    Args:
        scores: (points, labels) probabilities, with few entries per row.
        graph: (labels, labels) Ĝ.
        mix: weight of the spread scores, in [0, 1]; 0 does not change the scores.
        top_k: number of entries kept per row, before and after mixing.

    Returns:
        (points, labels) float32 with sorted indices.
    """
    if mix == 0:
        return retain_top_k(scores, top_k)
    # Blocks limit memory, because p · Ĝ has several times as many entries as p.
    starts = range(0, max(scores.shape[0], 1), _BLOCK_ROWS)
    blocks = (scores[start : start + _BLOCK_ROWS] for start in starts)
    return vstack([_expand(block, graph, mix, top_k) for block in blocks], format="csr")


def meta_graph(graph: csr_array, membership: csr_array, num_neighbors: int) -> csr_array:
    """Build the graph of meta-labels from the graph of their labels: T · G · Tᵀ, pruned and normalised.

    The shortlister of ECLARE (section 3) propagates over this graph. The edge of a meta-label to itself is
    one of its ``num_neighbors`` edges, as in the published code (ECLARE ``models/network.py``,
    ``_load_graph``).

    Args:
        graph: (labels, labels) label correlation graph, entries ≥ 0.
        membership: (meta, labels), 1 where the label is a member of the meta-label.
        num_neighbors: number of strongest edges kept per meta-label, at least 1. Among equal edges, smaller
            meta-labels are kept.

    Returns:
        (meta, meta) float32 with sorted indices.
    """
    between = csr_array(membership @ graph @ membership.T.tocsr())
    return symmetric_normalize(retain_top_k(between, num_neighbors))


def _expand(scores: csr_array, graph: csr_array, mix: float, top_k: int) -> csr_array:
    spread = retain_top_k(csr_array(scores @ graph, dtype=np.float32), top_k)
    return retain_top_k(csr_array((1 - mix) * scores + mix * spread, dtype=np.float32), top_k)
