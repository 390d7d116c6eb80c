import numpy as np
import pytest
from scipy.sparse import csr_array

from xcgraph.graph import game
from xcgraph.graph.game import expand_scores
from xcgraph.sparse import retain_top_k


def random_eighths(rows, columns, density, seed):
    """Draw a matrix of eighths: float32 adds and halves them exactly, so that ties are ties by any route."""
    rng = np.random.default_rng(seed)
    dense = rng.integers(1, 9, (rows, columns)) / 8 * (rng.random((rows, columns)) < density)
    return csr_array(dense, dtype=np.float32)


def top_k_dense(scores, top_k):
    kept = np.zeros_like(scores)
    for row, best in enumerate(np.argsort(-scores, axis=1, kind="stable")[:, :top_k]):
        kept[row, best] = scores[row, best]
    return kept


def twin(scores, graph, mix, top_k):
    scores, graph = scores.toarray(), graph.toarray()
    spread = top_k_dense(scores @ graph, top_k)
    return top_k_dense((1 - mix) * scores + mix * spread, top_k)


@pytest.mark.parametrize("mix", [0.0, 0.25, 0.5, 1.0])
@pytest.mark.parametrize("top_k", [1, 3, 100])
@pytest.mark.parametrize("seed", [0, 1])
def test_equals_a_dense_twin(mix, top_k, seed):
    scores, graph = random_eighths(30, 12, 0.4, seed), random_eighths(12, 12, 0.3, seed + 10)
    found = expand_scores(scores, graph, mix, top_k)
    np.testing.assert_array_equal(found.toarray(), twin(scores, graph, mix, top_k))
    assert found.dtype == np.float32
    assert found.has_sorted_indices
    assert np.diff(found.indptr).max() <= top_k


@pytest.mark.parametrize("rows", [0, 1, 6, 30])
def test_blocks_of_rows_change_nothing(rows, monkeypatch):
    scores, graph = random_eighths(rows, 12, 0.4, 0), random_eighths(12, 12, 0.3, 10)
    whole = expand_scores(scores, graph, 0.5, 4)
    monkeypatch.setattr(game, "_BLOCK_ROWS", 6)
    blocks = expand_scores(scores, graph, 0.5, 4)
    assert blocks.shape == (rows, 12)
    for part in ("indptr", "indices", "data"):
        np.testing.assert_array_equal(getattr(blocks, part), getattr(whole, part))
        assert getattr(blocks, part).dtype == getattr(whole, part).dtype


def test_by_hand():
    scores = csr_array(np.array([[0.5, 0, 0, 0.25], [0, 0, 0, 0]], np.float32))
    graph = csr_array(np.array([[1, 0.5, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0.25, 1]], np.float32))
    # p·Ĝ = [0.5, 0.25, 0.0625, 0.25]: the tie goes to label 1, so that label 3 keeps half of its score.
    found = expand_scores(scores, graph, 0.5, 2)
    assert found.toarray().tolist() == [[0.5, 0.125, 0, 0], [0, 0, 0, 0]]


def test_mix_0_keeps_the_best_scores_and_mix_1_only_the_expanded_ones():
    scores, graph = random_eighths(30, 12, 0.4, 0), random_eighths(12, 12, 0.3, 1)
    np.testing.assert_array_equal(
        expand_scores(scores, graph, 0.0, 3).toarray(), retain_top_k(scores, 3).toarray()
    )
    np.testing.assert_array_equal(
        expand_scores(scores, graph, 1.0, 3).toarray(), retain_top_k(csr_array(scores @ graph), 3).toarray()
    )


@pytest.mark.parametrize("mix", [0.0, 0.3, 0.5, 1.0])
def test_identity_graph_changes_nothing(mix):
    scores, identity = random_eighths(30, 12, 0.4, 0), csr_array(np.eye(12, dtype=np.float32))
    found = expand_scores(scores, identity, mix, 12)
    np.testing.assert_allclose(found.toarray(), scores.toarray(), rtol=1e-6)


def test_neighbours_without_a_score_get_one():
    scores = csr_array(np.array([[0.5, 0, 0]], np.float32))
    graph = csr_array(np.array([[0.8, 0.2, 0], [0, 1, 0], [0, 0, 1]], np.float32))
    np.testing.assert_allclose(expand_scores(scores, graph, 0.5, 3).toarray(), [[0.45, 0.05, 0]], rtol=1e-6)


def test_arguments_stay_as_they_are():
    scores, graph = random_eighths(30, 12, 0.4, 0), random_eighths(12, 12, 0.3, 1)
    before = scores.copy(), graph.copy()
    expand_scores(scores, graph, 0.5, 3)
    for matrix, copy in zip((scores, graph), before, strict=True):
        np.testing.assert_array_equal(matrix.data, copy.data)
        np.testing.assert_array_equal(matrix.indices, copy.indices)


def test_no_points():
    found = expand_scores(csr_array((0, 12), dtype=np.float32), random_eighths(12, 12, 0.3, 1), 0.5, 3)
    assert found.shape == (0, 12)
