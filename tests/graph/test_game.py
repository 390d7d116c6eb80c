import numpy as np
import pytest
from scipy.sparse import csr_array, random_array

from xcgraph.graph import game
from xcgraph.graph.game import expand_scores, meta_graph
from xcgraph.sparse import retain_top_k


def random_eighths(rows, columns, density, seed):
    """Return a random matrix of eighths, which float32 adds exactly, so that equal scores stay equal."""
    rng = np.random.default_rng(seed)
    dense = rng.integers(1, 9, (rows, columns)) / 8 * (rng.random((rows, columns)) < density)
    return csr_array(dense, dtype=np.float32)


def top_k_dense(scores, top_k):
    kept = np.zeros_like(scores)
    for row, best in enumerate(np.argsort(-scores, axis=1, kind="stable")[:, :top_k]):
        kept[row, best] = scores[row, best]
    return kept


def dense_reference(scores, graph, mix, top_k):
    scores, graph = scores.toarray(), graph.toarray()
    spread = top_k_dense(scores @ graph, top_k)
    return top_k_dense((1 - mix) * scores + mix * spread, top_k)


@pytest.mark.parametrize("mix", [0.0, 0.25, 0.5, 1.0])
@pytest.mark.parametrize("top_k", [1, 3, 100])
@pytest.mark.parametrize("seed", [0, 1])
def test_expand_scores_matches_dense_reference(mix, top_k, seed):
    scores, graph = random_eighths(30, 12, 0.4, seed), random_eighths(12, 12, 0.3, seed + 10)
    found = expand_scores(scores, graph, mix, top_k)
    np.testing.assert_array_equal(found.toarray(), dense_reference(scores, graph, mix, top_k))
    assert found.dtype == np.float32
    assert found.has_sorted_indices
    assert np.diff(found.indptr).max() <= top_k


@pytest.mark.parametrize("rows", [0, 1, 6, 30])
def test_expand_scores_ignores_the_block_size(rows, monkeypatch):
    scores, graph = random_eighths(rows, 12, 0.4, 0), random_eighths(12, 12, 0.3, 10)
    whole = expand_scores(scores, graph, 0.5, 4)
    monkeypatch.setattr(game, "_BLOCK_ROWS", 6)
    blocks = expand_scores(scores, graph, 0.5, 4)
    assert blocks.shape == (rows, 12)
    for part in ("indptr", "indices", "data"):
        np.testing.assert_array_equal(getattr(blocks, part), getattr(whole, part))
        assert getattr(blocks, part).dtype == getattr(whole, part).dtype


def test_expand_scores_matches_example_by_hand():
    scores = csr_array(np.array([[0.5, 0, 0, 0.25], [0, 0, 0, 0]], np.float32))
    graph = csr_array(np.array([[1, 0.5, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0.25, 1]], np.float32))
    # p·Ĝ = [0.5, 0.25, 0.0625, 0.25]. Label 1 wins the tie with label 3, which keeps half of its own score.
    found = expand_scores(scores, graph, 0.5, 2)
    assert found.toarray().tolist() == [[0.5, 0.125, 0, 0], [0, 0, 0, 0]]


def test_mix_0_keeps_the_scores_and_mix_1_the_spread_scores():
    scores, graph = random_eighths(30, 12, 0.4, 0), random_eighths(12, 12, 0.3, 1)
    np.testing.assert_array_equal(
        expand_scores(scores, graph, 0.0, 3).toarray(), retain_top_k(scores, 3).toarray()
    )
    np.testing.assert_array_equal(
        expand_scores(scores, graph, 1.0, 3).toarray(), retain_top_k(csr_array(scores @ graph), 3).toarray()
    )


@pytest.mark.parametrize("mix", [0.0, 0.3, 0.5, 1.0])
def test_identity_graph_does_not_change_the_scores(mix):
    scores, identity = random_eighths(30, 12, 0.4, 0), csr_array(np.eye(12, dtype=np.float32))
    found = expand_scores(scores, identity, mix, 12)
    np.testing.assert_allclose(found.toarray(), scores.toarray(), rtol=1e-6)


def test_neighbours_without_a_score_get_a_score():
    scores = csr_array(np.array([[0.5, 0, 0]], np.float32))
    graph = csr_array(np.array([[0.8, 0.2, 0], [0, 1, 0], [0, 0, 1]], np.float32))
    np.testing.assert_allclose(expand_scores(scores, graph, 0.5, 3).toarray(), [[0.45, 0.05, 0]], rtol=1e-6)


def test_expand_scores_does_not_change_its_arguments():
    scores, graph = random_eighths(30, 12, 0.4, 0), random_eighths(12, 12, 0.3, 1)
    before = scores.copy(), graph.copy()
    expand_scores(scores, graph, 0.5, 3)
    for matrix, copy in zip((scores, graph), before, strict=True):
        np.testing.assert_array_equal(matrix.data, copy.data)
        np.testing.assert_array_equal(matrix.indices, copy.indices)


def test_expand_scores_accepts_no_points():
    found = expand_scores(csr_array((0, 12), dtype=np.float32), random_eighths(12, 12, 0.3, 1), 0.5, 3)
    assert found.shape == (0, 12)


# --- graph of meta-labels --------------------------------------------------------------------------------


def meta_graph_reference(graph, assignment, num_meta, num_neighbors):
    between = np.zeros((num_meta, num_meta), np.float32)
    for source, target, value in zip(*csr_array(graph).tocoo().coords, graph.tocoo().data, strict=True):
        between[assignment[source], assignment[target]] += value
    for row in between:
        row[np.argsort(-row, kind="stable")[num_neighbors:]] = 0
    rows, columns = between.sum(axis=1, keepdims=True), between.sum(axis=0)
    return between / np.sqrt(np.where(rows > 0, rows, 1)) / np.sqrt(np.where(columns > 0, columns, 1))


@pytest.mark.parametrize("num_neighbors", [1, 3, 100])
def test_meta_graph_matches_plain_python(num_neighbors):
    rng = np.random.default_rng(0)
    # float32 adds quarters exactly, so that equal entries stay equal in both computations.
    graph = csr_array(random_array((40, 40), density=0.2, random_state=rng), dtype=np.float32)
    graph.data = np.ceil(graph.data * 8).astype(np.float32) / 4
    assignment = rng.integers(0, 12, 40)
    membership = csr_array((np.ones(40, np.float32), (assignment, np.arange(40))), shape=(12, 40))

    found = meta_graph(graph, membership, num_neighbors)

    assert found.dtype == np.float32
    assert found.has_sorted_indices
    assert np.diff(found.indptr).max() <= num_neighbors
    np.testing.assert_allclose(
        found.toarray(), meta_graph_reference(graph, assignment, 12, num_neighbors), rtol=1e-5
    )


def test_meta_graph_of_singletons_is_the_normalised_graph():
    graph = csr_array(np.array([[2, 1], [0, 3]], np.float32))
    found = meta_graph(graph, csr_array(np.eye(2, dtype=np.float32)), 10)
    np.testing.assert_allclose(found.toarray(), [[2 / 6**0.5, 1 / 12**0.5], [0, 3 / 12**0.5]], rtol=1e-6)
