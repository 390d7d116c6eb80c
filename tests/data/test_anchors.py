import numpy as np
import pytest
from scipy.sparse import csr_array

from xcgraph.data import anchors
from xcgraph.data.anchors import complete_edges


def brute_force(known, graph, max_new, keep_as):
    """Complete edges row by row on dense matrices."""
    result = {}
    for row, links in enumerate(known):
        old = set(np.flatnonzero(links).tolist())
        reach = links @ graph
        new = sorted(
            (a for a in np.flatnonzero(reach).tolist() if a not in old), key=lambda a: (-reach[a], a)
        )
        result |= {(row, a): keep_as for a in old} | {(row, a): 1 for a in new[:max_new]}
    return result


def entries(matrix):
    coo = matrix.tocoo()
    return dict(zip(zip(coo.row.tolist(), coo.col.tolist(), strict=True), coo.data.tolist(), strict=True))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("max_new", "keep_as"), [(1, 0), (3, 0), (3, 1), (100, 1)])
def test_complete_edges_matches_brute_force(seed, max_new, keep_as, monkeypatch):
    monkeypatch.setattr(anchors, "_BLOCK", 7)  # several blocks, the last one smaller
    rng = np.random.default_rng(seed)
    known = (rng.random((17, 12)) < 0.15).astype(np.float32)
    graph = (rng.random((12, 12)) * (rng.random((12, 12)) < 0.3)).astype(np.float32)
    found = complete_edges(csr_array(known), csr_array(graph), max_new=max_new, keep_as=keep_as)
    assert found.shape == (17, 12)
    assert found.dtype == np.float32
    assert entries(found) == brute_force(known, graph, max_new, keep_as)


def test_link_weights_change_the_ranking_but_not_the_values():
    known = csr_array(np.array([[5, 1, 0, 0]], np.float32))
    graph = csr_array(np.array([[0, 0, 1, 0], [0, 0, 0, 2], [0, 0, 0, 0], [0, 0, 0, 0]], np.float32))
    assert entries(complete_edges(known, graph, max_new=1, keep_as=1)) == {(0, 0): 1, (0, 1): 1, (0, 2): 1}


def test_complete_edges_accepts_no_rows():
    nothing = csr_array((0, 4), dtype=np.float32)
    assert complete_edges(nothing, csr_array(np.eye(4, dtype=np.float32)), max_new=2, keep_as=1).shape == (
        0,
        4,
    )
