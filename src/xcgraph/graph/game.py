"""GAME: graph-assisted multi-label expansion of scores."""

import numpy as np
from scipy.sparse import csr_array, vstack

from xcgraph.sparse import retain_top_k, symmetric_normalize

_BLOCK_ROWS = 1 << 13


def expand_scores(scores: csr_array, graph: csr_array, mix: float, top_k: int) -> csr_array:
    """Let the neighbours of well-scored labels share in their scores (GAME, ECLARE section 3).

    p ← (1 − mix) · p + mix · top_k(p · Ĝ), then the ``top_k`` best. Rows of Ĝ do not sum to 1, so the
    result is no probability any more.

    Args:
        scores: (points, labels) probabilities, a few per row.
        graph: (labels, labels) Ĝ.
        mix: share of the expanded scores, in [0, 1]; 0 leaves the scores as they are.
        top_k: entries kept per row, before and after mixing.
    """
    if mix == 0:
        return retain_top_k(scores, top_k)
    # In blocks, for p · Ĝ has several times as many entries as p.
    starts = range(0, max(scores.shape[0], 1), _BLOCK_ROWS)
    blocks = (scores[start : start + _BLOCK_ROWS] for start in starts)
    return vstack([_expand(block, graph, mix, top_k) for block in blocks], format="csr")


def _expand(scores: csr_array, graph: csr_array, mix: float, top_k: int) -> csr_array:
    spread = retain_top_k(csr_array(scores @ graph, dtype=np.float32), top_k)
    return retain_top_k(csr_array((1 - mix) * scores + mix * spread, dtype=np.float32), top_k)


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
