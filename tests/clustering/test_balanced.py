from dataclasses import replace

import numba
import numpy as np
import pytest
from scipy.sparse import csr_array, random_array

from xcgraph.clustering.balanced import BalancedTree
from xcgraph.errors import UserError


def random_vectors(rows=100, dim=6, seed=0):
    return np.random.default_rng(seed).standard_normal((rows, dim)).astype(np.float32)


def random_sparse(rows=100, dim=50, seed=0):
    matrix = random_array((rows, dim), density=0.1, random_state=np.random.default_rng(seed))
    return csr_array(matrix, dtype=np.float32)


def split(vectors, members, first, tree):
    """Split a node by 2-means with full sorts; vectors have unit length."""
    first = vectors[members[first]]
    direction = first - vectors[members[np.argmin(vectors[members] @ first)]]
    previous = -np.inf
    for _ in range(tree.max_iterations):
        ranked = members[np.argsort(-(vectors[members] @ direction), kind="stable")]
        left, right = np.array_split(ranked, 2)
        sums = [vectors[half].sum(axis=0) for half in (left, right)]
        norms = [np.linalg.norm(total) for total in sums]
        direction = sums[0] / (norms[0] or 1) - sums[1] / (norms[1] or 1)
        objective = sum(norms) / len(members)
        if objective - previous < tree.tolerance:
            break
        previous = objective
    return [np.sort(left), np.sort(right)]


def reference(tree, vectors, num_clusters, seed):
    """Do the same as BalancedTree.fit node by node, on dense vectors."""
    vectors = vectors.astype(np.float64)
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors = vectors / np.where(norms > 0, norms, 1)
    nodes, level = [np.arange(len(vectors))], 0
    while len(nodes) < num_clusters and max(map(len, nodes)) > 1:
        uniform = np.random.default_rng([seed, level]).random(len(nodes))
        halves = []
        for node, share in zip(nodes, uniform, strict=True):
            one = len(node) < 2
            halves += [node, node[:0]] if one else split(vectors, node, int(share * len(node)), tree)
        nodes, level = halves, level + 1
    clusters = np.empty(len(vectors), int)
    for number, node in enumerate(node for node in nodes if len(node)):
        clusters[node] = number
    return clusters


@pytest.mark.parametrize("rows", [2, 3, 7, 64, 100])
@pytest.mark.parametrize("num_clusters", [1, 2, 16, 128])
def test_tree_matches_plain_python(rows, num_clusters):
    vectors = random_vectors(rows)
    vectors[rows // 2] = 0
    tree = BalancedTree()
    found = tree.fit(vectors, num_clusters, seed=5)
    assert found.dtype == np.int32
    assert found.tolist() == reference(tree, vectors, num_clusters, seed=5).tolist()


@pytest.mark.parametrize(
    "tree",
    [BalancedTree(max_iterations=1), BalancedTree(tolerance=0.05)],
    ids=["max_iterations", "tolerance"],
)
def test_stopping_rules_match_plain_python(tree):
    vectors = random_vectors(rows=200)
    found = tree.fit(vectors, 8, seed=0)
    assert found.tolist() == reference(tree, vectors, 8, seed=0).tolist()
    assert found.tolist() != BalancedTree().fit(vectors, 8, seed=0).tolist()


@pytest.mark.parametrize("rows", [64, 100, 127, 1000])
@pytest.mark.parametrize("num_clusters", [1, 4, 64])
def test_sizes_differ_by_at_most_one(rows, num_clusters):
    clusters = BalancedTree().fit(random_vectors(rows), num_clusters, seed=0)
    sizes = np.bincount(clusters, minlength=num_clusters)
    assert len(sizes) == num_clusters
    assert set(sizes) <= {rows // num_clusters, -(-rows // num_clusters)}


@pytest.mark.parametrize("seed", range(5))
def test_planted_clusters_are_found_with_similar_siblings(seed):
    rng = np.random.default_rng(seed)
    planted = rng.permutation(np.repeat(np.arange(4), 25))
    # Clusters 0 and 1 have similar directions, and so do 2 and 3. The lengths of vectors must not matter.
    centers = np.array([[9, 1, 0], [9, -1, 0], [-9, 0, 1], [-9, 0, -1]])
    vectors = centers[planted] + 0.1 * rng.standard_normal((100, 3))
    vectors = (vectors * rng.uniform(0.1, 10, (100, 1))).astype(np.float32)
    clusters = BalancedTree().fit(vectors, 4, seed=seed)
    pairs = np.unique(np.column_stack([planted, clusters]), axis=0)
    assert len(pairs) == 4
    siblings = dict(pairs.tolist())
    assert siblings[0] // 2 == siblings[1] // 2
    assert siblings[2] // 2 == siblings[3] // 2


def test_clusters_depend_only_on_the_seed():
    vectors, threads = random_vectors(rows=500), numba.get_num_threads()
    first = BalancedTree().fit(vectors, 32, seed=0)
    try:
        numba.set_num_threads(1)
        assert BalancedTree().fit(vectors, 32, seed=0).tolist() == first.tolist()
    finally:
        numba.set_num_threads(threads)
    assert BalancedTree().fit(vectors, 32, seed=1).tolist() != first.tolist()


@pytest.mark.parametrize("num_clusters", [2, 16, 128])
def test_sparse_and_dense_rows_give_equal_clusters(num_clusters):
    sparse = random_sparse()
    backwards = csr_array(
        (sparse.data[::-1], sparse.indices[::-1], sparse.nnz - sparse.indptr[::-1]), shape=sparse.shape
    )[::-1]
    dense = BalancedTree().fit(sparse.toarray(), num_clusters, seed=0).tolist()
    assert BalancedTree().fit(sparse, num_clusters, seed=0).tolist() == dense
    assert not backwards.has_sorted_indices
    assert BalancedTree().fit(backwards, num_clusters, seed=0).tolist() == dense
    assert BalancedTree().fit(np.asfortranarray(sparse.toarray()), num_clusters, 0).tolist() == dense


@pytest.mark.parametrize("rows", [0, 1, 5, 8])
def test_few_rows_give_one_cluster_per_row(rows):
    clusters = BalancedTree().fit(random_vectors(rows), 8, seed=0)
    assert sorted(clusters) == list(range(rows))


@pytest.mark.parametrize("vectors", [np.zeros((10, 3), np.float32), np.ones((10, 3), np.float32)])
@pytest.mark.parametrize("kind", [np.asarray, csr_array])
def test_equal_rows_are_split_by_row_number(vectors, kind):
    clusters = BalancedTree().fit(kind(vectors), 4, seed=0)
    assert clusters.tolist() == [0, 0, 0, 1, 1, 2, 2, 2, 3, 3]


@pytest.mark.parametrize("seed", range(5))
def test_duplicates_stay_in_one_cluster(seed):
    vectors = np.repeat(np.eye(3, dtype=np.float32), [1, 7, 8], axis=0)
    clusters = BalancedTree().fit(vectors, 2, seed=seed)
    assert len(set(clusters[1:8])) == len(set(clusters[8:])) == 1


@pytest.mark.parametrize("num_clusters", [-4, 0, 3, 12])
def test_number_of_clusters_other_than_a_power_of_two_is_refused(num_clusters):
    with pytest.raises(UserError, match=f"power of two, found {num_clusters}"):
        BalancedTree().fit(random_vectors(), num_clusters, seed=0)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("kind", [np.asarray, csr_array])
def test_vectors_with_nan_or_infinity_are_refused(value, kind):
    vectors = random_vectors()
    vectors[7, 2] = value
    with pytest.raises(UserError, match=r"Row 7 .* NaN or infinity"):
        BalancedTree().fit(kind(vectors), 4, seed=0)


@pytest.mark.parametrize(
    ("key", "value", "rule"),
    [
        ("max_iterations", 0, "at least 1, found 0"),
        ("tolerance", -1.0, "at least 0, found -1.0"),
        ("tolerance", float("nan"), "at least 0, found nan"),
    ],
)
def test_values_out_of_range_are_refused(key, value, rule):
    with pytest.raises(UserError, match=rf"clustering\.{key} .*{rule}"):
        replace(BalancedTree(), **{key: value})
