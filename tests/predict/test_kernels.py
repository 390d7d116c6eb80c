"""Compiled loops match scipy and the functions of the training code."""

import numpy as np
import pytest
from scipy.sparse import csr_array, random_array

from xcgraph.graph.game import expand_scores
from xcgraph.predict.kernels import average, embed_bags, expand, rank_shortlists
from xcgraph.sparse import retain_top_k, top_k_rows


def padded(scores, k):
    labels, values = top_k_rows(scores, k)
    return labels, np.where(labels < 0, 0, values).astype(np.float32)


def sparse(rng, shape, density):
    matrix = csr_array(random_array(shape, density=density, rng=rng, format="csr"), dtype=np.float32)
    matrix.sort_indices()
    return matrix


@pytest.mark.parametrize("mix", [0.2, 0.5, 1.0])
@pytest.mark.parametrize("top_k", [1, 7, 30])
def test_expand_matches_game(mix, top_k):
    rng = np.random.default_rng(top_k)
    scores, graph = sparse(rng, (40, 300), 0.05), sparse(rng, (300, 300), 0.03)
    scores = retain_top_k(scores, top_k)
    expected = padded(expand_scores(scores, graph, mix, top_k), top_k)

    edges = (graph.indptr.astype(np.int64), graph.indices.astype(np.int32), graph.data)
    labels, values = expand(*padded(scores, top_k), edges, mix, top_k, top_k)

    np.testing.assert_array_equal(labels, expected[0])
    np.testing.assert_allclose(values, expected[1], rtol=1e-6)
    first = expand(*padded(scores, top_k), edges, mix, top_k, 1)
    np.testing.assert_array_equal(first, (labels[:, :1], values[:, :1]))


def test_many_labels_share_a_table_without_collisions():
    rng = np.random.default_rng(0)
    graph = sparse(rng, (5000, 5000), 0.02)
    scores = retain_top_k(sparse(rng, (3, 5000), 0.5), 100)
    edges = (graph.indptr.astype(np.int64), graph.indices.astype(np.int32), graph.data)

    labels, values = expand(*padded(scores, 100), edges, 0.5, 100, 100)

    expected = padded(expand_scores(scores, graph, 0.5, 100), 100)
    np.testing.assert_array_equal(labels, expected[0])
    np.testing.assert_allclose(values, expected[1], rtol=1e-6)


def test_average_counts_missing_labels_as_zero():
    labels = np.array([[[1, 2, -1]], [[2, 3, 9]]], np.int32)
    scores = np.array([[[0.8, 0.5, 0]], [[0.7, 0.2, 0.1]]], np.float32)

    found = average(labels, scores, 3)

    assert found[0].tolist() == [[2, 1, 3]]
    np.testing.assert_allclose(found[1], [[0.6, 0.4, 0.1]], rtol=1e-6)


def test_embed_bags_matches_dense_product():
    rng = np.random.default_rng(0)
    bags, embedding = sparse(rng, (20, 50), 0.1), rng.normal(size=(50, 8)).astype(np.float32)

    found = embed_bags(bags.indptr.astype(np.int64), bags.indices.astype(np.int32), bags.data, embedding)

    np.testing.assert_allclose(found, bags @ embedding, rtol=1e-5, atol=1e-6)


def test_rank_shortlists_matches_formula():
    rng = np.random.default_rng(0)
    starts = np.array([0, 3, 3, 7, 10])  # the second meta-label has no member
    labels = rng.permutation(10).astype(np.int32)
    vectors, points = (rng.normal(size=(n, 6)).astype(np.float32) for n in (10, 4))
    vectors[0] *= 1000  # e^1000 is no number
    metas = np.array([[0, 2, 1], [3, -1, -1], [1, -1, -1], [2, 0, 3]], np.int32)
    priors = np.log(rng.uniform(0.1, 1, metas.shape)).astype(np.float32)

    best, scores = rank_shortlists((metas, priors), starts, labels, vectors, np.float32(-0.5), points, 5)

    for row, beam in enumerate(metas):
        expected = {}
        for rank, meta in enumerate(beam[beam >= 0]):
            for entry in range(starts[meta], starts[meta + 1]):
                logit = vectors[entry].astype(float) @ points[row] - 0.5
                expected[int(labels[entry])] = np.exp(priors[row, rank] - np.logaddexp(0, -logit))
        ordered = sorted(expected, key=expected.get, reverse=True)[:5]
        assert best[row, : len(ordered)].tolist() == ordered
        assert (best[row, len(ordered) :] == -1).all()
        found = scores[row, : len(ordered)]
        np.testing.assert_allclose(found, [expected[label] for label in ordered], rtol=1e-5)
