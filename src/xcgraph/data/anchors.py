"""Anchors: items, such as neighbouring labels or categories, that points and labels are linked to."""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array, vstack

from xcgraph.sparse import remove_pairs, retain_top_k

# Rows completed per block. A row can reach many anchors before the best are chosen, so blocks limit memory.
_BLOCK = 65_536


@dataclass(frozen=True, kw_only=True)
class AnchorSet:
    """One set of anchors and its graphs G_XA and G_ZA (RAMEN section 3).

    A stored 1 is an edge. A stored 0 is not an edge, but its anchor must not be a negative for that point or
    label either.

    Attributes:
        features: (anchors, tokens) token weights of the anchors' texts.
        points: (training points, anchors) G_XA.
        labels: (labels, anchors) G_ZA.
        anchor_labels: (anchors, labels), above 0 where an anchor had a link to a label before completion.
    """

    features: csr_array
    points: csr_array
    labels: csr_array
    anchor_labels: csr_array


def complete_edges(known: csr_array, graph: csr_array, *, max_new: int, keep_as: int) -> csr_array:
    """Link each row also to anchors near its known anchors (RAMEN section 3, "edge completion").

    Args:
        known: (rows, anchors) links; every stored entry is a link.
        graph: (anchors, anchors) proximity, such as Ĝ of random walks between anchors.
        max_new: maximum number of new edges per row; the largest entries of known · graph are chosen.
        keep_as: 1 if the known links are edges, 0 if they only must not be negatives.

    Returns:
        (rows, anchors) float32: ``keep_as`` for known links, 1 for new edges.
    """
    blocks = range(0, known.shape[0], _BLOCK)
    rows = [_complete(known[first : first + _BLOCK], graph, max_new, keep_as) for first in blocks]
    return csr_array(vstack(rows, format="csr")) if rows else known


def _complete(known: csr_array, graph: csr_array, max_new: int, keep_as: int) -> csr_array:
    old = known.tocoo()
    reached = remove_pairs(csr_array(known @ graph), np.column_stack([old.row, old.col]).astype(np.int64))
    new = retain_top_k(reached, max_new).tocoo()
    values = np.repeat(np.array([keep_as, 1], np.float32), [old.nnz, new.nnz])
    coordinates = (np.concatenate([old.row, new.row]), np.concatenate([old.col, new.col]))
    return csr_array((values, coordinates), shape=known.shape)
