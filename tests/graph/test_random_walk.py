import os
from collections import Counter
from dataclasses import replace

import numba
import numpy as np
import pytest
from scipy.sparse import csr_array

from xcgraph.errors import UserError
from xcgraph.graph.random_walk import RandomWalkGraph
from xcgraph.sparse import binary_rows, symmetric_normalize

MASK = 2**64 - 1
# Label 4 has no points; point 5 has no labels; label 3 shares no point with another.
TINY = binary_rows([[0, 1], [1, 2], [0, 1, 2], [3], [1], []], 5)


def random_labels(num_points=200, num_labels=60, seed=0):
    """Return random labels: about half of the points have label 0, hardly any have the last labels."""
    rng = np.random.default_rng(seed)
    rows = [np.unique((num_labels * rng.random(3) ** 2.5).astype(int)) for _ in range(num_points)]
    return binary_rows([row.tolist() for row in rows], num_labels)


def draw(stream, number):
    bits = (stream + (number + 1) * 0x9E3779B97F4A7C15) & MASK
    bits = ((bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    bits = ((bits ^ (bits >> 27)) * 0x94D049BB133111EB) & MASK
    return bits ^ (bits >> 31)


def cosine(vectors, first, second):
    one, other = vectors[first].astype(float), vectors[second].astype(float)
    norms = np.linalg.norm(one) * np.linalg.norm(other)
    return one @ other / norms if norms else 0.0


def reference(config, labels, vectors, seed):
    """Do the same as RandomWalkGraph.build with lists and dictionaries: filter first, then rank."""
    dense = labels.toarray() > 0
    dense[:, dense.sum(axis=0) > config.head_label_threshold] = False
    points_of = [np.flatnonzero(column).tolist() for column in dense.T]
    labels_of = [np.flatnonzero(row).tolist() for row in dense]
    graph = np.zeros((len(points_of), len(points_of)), np.float32)
    for label in range(len(points_of)):
        graph[label, label] = 1
        if not points_of[label]:
            continue
        stream, current, visits = draw(draw(seed, 0), label), label, Counter()
        for step in range(config.walk_length):
            if (draw(stream, 3 * step) >> 11) / 2**53 < config.restart_prob:
                current = label
            points = points_of[current]
            others = labels_of[points[(draw(stream, 3 * step + 1) >> 32) * len(points) >> 32]]
            current = others[(draw(stream, 3 * step + 2) >> 32) * len(others) >> 32]
            visits[current] += 1
        graph[label, label] = max(visits.pop(label, 0), 1)
        if vectors is not None:
            for other in list(visits):
                if cosine(vectors, label, other) < config.min_similarity:
                    del visits[other]
        ranked = sorted(visits, key=lambda other: (-visits[other], other))
        for other in ranked[: config.num_neighbors]:
            graph[label, other] = visits[other]
    return symmetric_normalize(csr_array(graph))


def assert_same_bits(found, expected):
    np.testing.assert_array_equal(found.indptr, expected.indptr)
    np.testing.assert_array_equal(found.indices, expected.indices)
    np.testing.assert_array_equal(found.data, expected.data)


@pytest.mark.parametrize(
    "config",
    [
        RandomWalkGraph(walk_length=50),
        RandomWalkGraph(walk_length=50, restart_prob=0.0, num_neighbors=3),
        RandomWalkGraph(walk_length=50, restart_prob=1.0, num_neighbors=1),
        RandomWalkGraph(walk_length=30, head_label_threshold=20, min_similarity=0.2),
        RandomWalkGraph(walk_length=1, num_neighbors=100),
    ],
    ids=["default", "no_restart", "always_restart", "pruned", "one_step"],
)
@pytest.mark.parametrize("with_vectors", [False, True])
def test_equals_a_plain_twin(config, with_vectors):
    labels = random_labels()
    vectors = np.random.default_rng(1).standard_normal((60, 4)).astype(np.float32)
    vectors[7] = 0
    vectors = vectors if with_vectors else None

    graph = config.build(labels, vectors, seed=3)

    assert graph.dtype == np.float32
    assert graph.has_sorted_indices
    assert_same_bits(graph, reference(config, labels, vectors, seed=3))


@pytest.mark.parametrize("restart_prob", [0.3, 0.8])
def test_long_walk_matches_the_stationary_distribution(restart_prob):
    walk_length = 200_000
    dense = TINY.toarray()[:, :4]
    hop = (dense / dense.sum(axis=0)).T @ (dense / np.maximum(dense.sum(axis=1, keepdims=True), 1))
    share = np.eye(4)  # share of the walks from each label at each label; it converges
    for _ in range(100):
        share = (restart_prob * np.eye(4) + (1 - restart_prob) * share) @ hop
    expected = np.eye(5)
    expected[:4, :4] = share

    graph = RandomWalkGraph(walk_length=walk_length, restart_prob=restart_prob).build(TINY, None, seed=0)

    # The correlation of two steps d apart is at most (1 − restart_prob)^d. Therefore the standard error of a
    # label's share of visits is at most √(¼ / walk_length · (2 − restart_prob) / restart_prob). Normalising
    # divides by √(row sum · column sum) = √(1 · column sum). The tolerance is five standard errors. The first
    # 100 steps, before convergence, are negligible.
    standard_error = np.sqrt(0.25 / walk_length * (2 - restart_prob) / restart_prob)
    tolerance = 5 * standard_error / np.sqrt(expected[:4, :4].sum(axis=0).min())
    normalized = symmetric_normalize(csr_array(expected)).toarray()
    # An isolated label has walk_length or 1 on the diagonal of G. After normalisation, both are 1.
    np.testing.assert_allclose(graph.toarray(), normalized, atol=tolerance)
    assert tolerance < 0.02


def test_number_of_threads_does_not_change_the_bits():
    labels, threads = random_labels(), numba.get_num_threads()
    graphs = []
    try:
        for count in (1, min(2, numba.config.NUMBA_NUM_THREADS)):
            numba.set_num_threads(count)
            graphs.append(RandomWalkGraph().build(labels, None, seed=0))
    finally:
        numba.set_num_threads(threads)
    assert_same_bits(*graphs)


def test_graph_depends_only_on_the_seed():
    labels, walk = random_labels(), RandomWalkGraph(walk_length=20)
    first = walk.build(labels, None, seed=0)
    np.random.seed(int.from_bytes(os.urandom(4), "little"))  # noqa: NPY002
    assert_same_bits(walk.build(labels, None, seed=0), first)
    assert (walk.build(labels, None, seed=1) != first).nnz > 0
    assert (walk.build(labels, None, seed=2**64 - 1) != first).nnz > 0


def test_graph_ignores_the_index_type():
    labels = random_labels()
    wide = csr_array(
        (labels.data, labels.indices.astype(np.int64), labels.indptr.astype(np.int64)), shape=labels.shape
    )
    assert_same_bits(RandomWalkGraph().build(wide, None, 0), RandomWalkGraph().build(labels, None, 0))


def test_head_labels_are_isolated_and_do_not_affect_other_edges():
    # Label 0 has 4 points. Point 3 has no other label, so no walk must reach it.
    labels = binary_rows([[0, 1], [0, 1, 2], [0, 2], [0]], 3)
    graph = RandomWalkGraph(head_label_threshold=3).build(labels, None, seed=0).toarray()
    assert graph[0].tolist() == [1, 0, 0]
    assert graph[:, 0].tolist() == [1, 0, 0]
    assert graph[1, 2] > 0
    assert graph[2, 1] > 0
    assert RandomWalkGraph(head_label_threshold=4).build(labels, None, seed=0).toarray()[0, 1] > 0


def test_labels_with_head_labels_only_or_without_points_are_isolated():
    labels = binary_rows([[0], [0], [0, 1]], 3)
    graph = RandomWalkGraph(head_label_threshold=2).build(labels, None, seed=0)
    np.testing.assert_array_equal(graph.toarray(), np.eye(3))


def test_graph_without_points_is_the_identity():
    graph = RandomWalkGraph().build(csr_array((0, 3), dtype=np.float32), None, seed=0)
    np.testing.assert_array_equal(graph.toarray(), np.eye(3))


def test_dissimilar_labels_are_not_neighbours():
    labels = binary_rows([[0, 1, 2, 3]] * 5, 4)
    vectors = np.array([[1, 0], [3, 0.1], [-1, 0.5], [0, 0]], np.float32)
    edges = RandomWalkGraph().build(labels, vectors, seed=0).toarray() > 0
    assert edges[0].tolist() == [True, True, False, True]
    assert edges[2].tolist() == [False, False, True, True]
    edges = RandomWalkGraph(min_similarity=0.1).build(labels, vectors, seed=0).toarray() > 0
    assert edges[3].tolist() == [False, False, False, True]
    edges = RandomWalkGraph(min_similarity=-1.0).build(labels, -vectors, seed=0).toarray() > 0
    assert edges.all()


def test_pruned_neighbours_are_replaced_by_others():
    labels = random_labels()
    vectors = np.random.default_rng(2).standard_normal((60, 4)).astype(np.float32)
    walk = RandomWalkGraph(walk_length=200, num_neighbors=4)
    full, pruned = walk.build(labels, None, 0), walk.build(labels, vectors, 0)
    row_sizes = np.diff(pruned.indptr)[:3]
    assert row_sizes.tolist() == np.diff(full.indptr)[:3].tolist() == [5, 5, 5]


@pytest.mark.parametrize("num_neighbors", [1, 2, 5, 1000])
def test_num_neighbors_limits_the_edges_of_each_row(num_neighbors):
    graph = RandomWalkGraph(num_neighbors=num_neighbors).build(random_labels(), None, seed=0)
    assert np.diff(graph.indptr).max() == min(num_neighbors + 1, 60) or num_neighbors == 1000
    assert np.diff(graph.indptr).max() <= num_neighbors + 1
    assert (graph.diagonal() > 0).all()


def test_fewer_neighbours_are_a_subset_of_more_neighbours():
    few, many = (
        RandomWalkGraph(num_neighbors=count).build(random_labels(), None, seed=0) for count in (3, 10)
    )
    assert ((few.toarray() > 0) <= (many.toarray() > 0)).all()


def test_wrong_number_of_label_vectors_is_refused():
    with pytest.raises(ValueError, match="Expected 5 label vectors, got 4"):
        RandomWalkGraph().build(TINY, np.zeros((4, 2), np.float32), seed=0)


@pytest.mark.parametrize(
    ("key", "value", "rule"),
    [
        ("walk_length", 0, "at least 1, found 0"),
        ("num_neighbors", 0, "at least 1, found 0"),
        ("head_label_threshold", -1, "at least 1, found -1"),
        ("restart_prob", 1.5, r"in \[0, 1\], found 1.5"),
        ("restart_prob", float("nan"), r"in \[0, 1\], found nan"),
        ("min_similarity", -1.1, r"in \[-1, 1\], found -1.1"),
    ],
)
def test_values_out_of_range_are_refused(key, value, rule):
    with pytest.raises(UserError, match=f"graph.{key} must .*{rule}"):
        replace(RandomWalkGraph(), **{key: value})
