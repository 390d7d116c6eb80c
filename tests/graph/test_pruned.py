import numpy as np
import pytest
from scipy.sparse import csr_array

from xcgraph.errors import UserError
from xcgraph.graph import pruned
from xcgraph.graph.pruned import PrunedGraph, cosine
from xcgraph.sparse import binary_rows, symmetric_normalize


def random_weights(num_labels=40, seed=0):
    """Return weights in eighths, many of them equal. Labels from 35 on have no weights, 34 no own weight."""
    rng = np.random.default_rng(seed)
    dense = rng.integers(1, 9, (num_labels, num_labels)) / 8 * (rng.random((num_labels, num_labels)) < 0.3)
    dense[35:] = dense[34, 34] = 0
    return dense.astype(np.float32)


def random_vectors(num_labels=40, seed=1):
    vectors = np.random.default_rng(seed).standard_normal((num_labels, 4)).astype(np.float32)
    vectors[7] = 0
    return vectors


def reference(config, weights, vectors):
    """Prune one label at a time: filter by similarity, then rank."""
    num_labels, graph = len(weights), np.zeros_like(weights)
    for label in range(num_labels):
        graph[label, label] = weights[label, label] or 1
        others = [other for other in np.flatnonzero(weights[label]) if other != label]
        if vectors is not None:
            lengths = np.linalg.norm(vectors, axis=1)
            cosines = (
                vectors @ vectors[label] / np.where(lengths * lengths[label], lengths * lengths[label], 1)
            )
            others = [other for other in others if cosines[other] >= config.min_similarity]
        for other in sorted(others, key=lambda other: (-weights[label, other], other))[
            : config.num_neighbors
        ]:
            graph[label, other] = weights[label, other]
    return symmetric_normalize(csr_array(graph)).toarray()


@pytest.mark.parametrize("with_vectors", [False, True])
@pytest.mark.parametrize(
    "config",
    [
        PrunedGraph(),
        PrunedGraph(num_neighbors=3),
        PrunedGraph(num_neighbors=1, min_similarity=0.3),
        PrunedGraph(min_similarity=-1.0),
        PrunedGraph(min_similarity=1.0),
    ],
    ids=["default", "few_neighbors", "similar", "any_similarity", "equal"],
)
def test_equals_a_plain_twin(config, with_vectors):
    weights, vectors = random_weights(), random_vectors() if with_vectors else None
    graph = config.prune(40, config.texts(vectors, 40), lambda rows: csr_array(weights[rows]))
    np.testing.assert_allclose(graph.toarray(), reference(config, weights, vectors), rtol=1e-6)
    assert graph.dtype == np.float32
    assert graph.has_sorted_indices


@pytest.mark.parametrize("size", [1, 7, 40, 1000])
def test_prune_ignores_the_block_size(monkeypatch, size):
    config, weights, requested = PrunedGraph(num_neighbors=3), random_weights(), []

    def row_weights(rows):
        requested.append(rows)
        return csr_array(weights[rows])

    whole = config.prune(40, config.texts(random_vectors(), 40), row_weights).toarray()
    requested.clear()
    monkeypatch.setattr(pruned, "_ROWS_PER_BLOCK", size)
    np.testing.assert_array_equal(
        config.prune(40, config.texts(random_vectors(), 40), row_weights).toarray(), whole
    )
    assert len(requested) == -(-40 // size)


def test_prune_accepts_no_labels():
    config = PrunedGraph()
    assert config.prune(0, config.texts(None, 0), lambda _: csr_array((0, 0))).shape == (0, 0)


def test_head_labels_lose_their_entries():
    labels = binary_rows([[0, 1], [0, 1, 2], [0, 2], [0]], 3)
    found = PrunedGraph(head_label_threshold=3).without_head_labels(labels)
    assert found.toarray().tolist() == [[0, 1, 0], [0, 1, 1], [0, 0, 1], [0, 0, 0]]
    whole = PrunedGraph(head_label_threshold=4).without_head_labels(labels)
    np.testing.assert_array_equal(whole.toarray(), labels.toarray())


def test_without_head_labels_sets_entries_to_one():
    labels = csr_array(np.array([[2.5, 0], [0, 1]], np.float32))
    assert PrunedGraph().without_head_labels(labels).toarray().tolist() == [[1, 0], [0, 1]]


def test_cosine_matches_numpy():
    vectors = random_vectors()
    texts = PrunedGraph().texts(vectors, 40)
    for first, second in [(0, 1), (3, 3), (5, 20)]:
        expected = vectors[first] @ vectors[second]
        expected /= np.linalg.norm(vectors[first]) * np.linalg.norm(vectors[second])
        assert cosine(texts, first, second) == pytest.approx(expected, abs=1e-6)
    assert cosine(texts, 7, 7) == cosine(texts, 7, 0) == 0


def test_wrong_number_of_label_vectors_is_refused():
    with pytest.raises(ValueError, match="Expected 5 label vectors, got 4"):
        PrunedGraph().texts(np.zeros((4, 2), np.float32), 5)


@pytest.mark.parametrize(
    ("key", "value", "rule"),
    [
        ("num_neighbors", 0, "at least 1, found 0"),
        ("head_label_threshold", -1, "at least 1, found -1"),
        ("min_similarity", -1.1, r"in \[-1, 1\], found -1.1"),
        ("min_similarity", float("nan"), r"in \[-1, 1\], found nan"),
    ],
)
def test_values_out_of_range_are_refused(key, value, rule):
    with pytest.raises(UserError, match=f"graph.{key} must .*{rule}"):
        PrunedGraph(**{key: value})
