import numpy as np
import pytest
import torch
from scipy.sparse import csr_array
from torch_geometric.utils import get_ppr

from xcgraph.errors import UserError
from xcgraph.graph.base import LabelGraph
from xcgraph.graph.ppr import PageRankGraph
from xcgraph.graph.random_walk import RandomWalkGraph
from xcgraph.sparse import binary_rows, symmetric_normalize

# Label 4 has no points; point 5 has no labels; label 3 shares no point with another.
TINY = binary_rows([[0, 1], [1, 2], [0, 1, 2], [3], [1], []], 5)
ALL = {"num_neighbors": 1000, "head_label_threshold": 10_000}


def random_labels(num_points=200, num_labels=60, seed=0):
    """Return random labels: about half of the points have label 0, hardly any have the last labels."""
    rng = np.random.default_rng(seed)
    rows = [np.unique((num_labels * rng.random(3) ** 2.5).astype(int)) for _ in range(num_points)]
    return binary_rows([row.tolist() for row in rows], num_labels)


def closed_form(labels, restart_prob):
    """Return r · P · (I − (1 − r) P)⁻¹, with 1 on the diagonal for labels without points."""
    dense = labels.toarray().astype(float)
    counts = dense.sum(axis=0)
    with np.errstate(invalid="ignore"):
        step = np.nan_to_num(dense / counts).T @ np.nan_to_num(dense / dense.sum(axis=1, keepdims=True))
    visits = restart_prob * step @ np.linalg.inv(np.eye(len(step)) - (1 - restart_prob) * step)
    visits[counts == 0, counts == 0] = 1
    return visits


@pytest.mark.parametrize("restart_prob", [0.1, 0.5, 0.8, 1.0])
@pytest.mark.parametrize("labels", [TINY, random_labels()], ids=["tiny", "random"])
def test_graph_matches_the_closed_form(labels, restart_prob):
    builder: LabelGraph = PageRankGraph(restart_prob=restart_prob, tolerance=1e-9, **ALL)
    found = builder.build(labels, None, seed=0)
    expected = symmetric_normalize(csr_array(closed_form(labels, restart_prob)))
    np.testing.assert_allclose(found.toarray(), expected.toarray(), atol=1e-5)
    assert found.dtype == np.float32


def test_graph_matches_torch_geometric_off_the_diagonal():
    """Torch Geometric walks over labels and points and can restart at both, so (1 − α)² = 1 − r.

    Its walk reaches labels in an even number of half steps: α Σ_j (1 − r)^j P^j, from j = 0.
    """
    labels, restart_prob = random_labels(), 0.64
    points, num_labels = labels.shape
    rows, columns = (torch.from_numpy(part.astype(np.int64)) for part in labels.nonzero())
    there = torch.stack([columns, rows + num_labels])
    edges = torch.cat([there, there.flip(0)], dim=1)
    edges = edges[:, edges[0].argsort()]
    pairs, weights = get_ppr(
        edges, alpha=0.4, eps=1e-7, target=torch.arange(num_labels), num_nodes=num_labels + points
    )
    dense = np.zeros((num_labels, num_labels + points))
    dense[pairs[0], pairs[1]] = weights
    expected = dense[:, :num_labels] / 0.4 * restart_prob / (1 - restart_prob)
    found = PageRankGraph(restart_prob=restart_prob, tolerance=1e-8, **ALL)
    visits = closed_form(labels, restart_prob)
    off = ~np.eye(num_labels, dtype=bool)
    np.testing.assert_allclose(visits[off], expected[off], atol=1e-4)
    kept = found.build(labels, None, 0).toarray()
    np.testing.assert_allclose(
        kept, symmetric_normalize(csr_array(np.where(off, expected, visits))).toarray(), atol=1e-3
    )


def test_graph_matches_long_random_walks():
    walk = RandomWalkGraph(walk_length=100_000, restart_prob=0.5, num_neighbors=3).build(TINY, None, seed=0)
    rank = PageRankGraph(restart_prob=0.5, num_neighbors=3).build(TINY, None, seed=0)
    np.testing.assert_allclose(rank.toarray(), walk.toarray(), atol=0.02)


def test_smaller_tolerance_gives_smaller_error_and_more_edges():
    exact = symmetric_normalize(csr_array(closed_form(random_labels(), 0.8))).toarray()
    graphs = [
        PageRankGraph(tolerance=tolerance, **ALL).build(random_labels(), None, 0)
        for tolerance in (1e-2, 1e-3, 1e-4, 1e-6)
    ]
    errors = [np.abs(graph.toarray() - exact).max() for graph in graphs]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 1e-4
    assert graphs[0].nnz < graphs[2].nnz < graphs[3].nnz


@pytest.mark.parametrize(
    ("key", "value", "rule"),
    [
        ("restart_prob", 0.0, r"in \(0, 1\], found 0.0"),
        ("restart_prob", 1.5, r"in \(0, 1\], found 1.5"),
        ("tolerance", 0.0, r"in \(0, 1\], found 0.0"),
        ("tolerance", float("nan"), r"in \(0, 1\], found nan"),
        ("num_neighbors", 0, "at least 1, found 0"),
    ],
)
def test_values_out_of_range_are_refused(key, value, rule):
    with pytest.raises(UserError, match=f"graph.{key} must .*{rule}"):
        PageRankGraph(**{key: value})
