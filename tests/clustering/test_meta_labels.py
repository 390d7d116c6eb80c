from itertools import pairwise

import numpy as np
import pytest
from scipy.sparse import csr_array, eye_array, random_array

from xcgraph.clustering import meta_labels
from xcgraph.clustering.meta_labels import MetaLabels, label_centroids
from xcgraph.sparse import binary_rows

ASSIGNMENT = np.array([1, 0, 3, 1, 0, 1], np.int32)  # meta-label 2 is empty
META = MetaLabels(ASSIGNMENT, 4)


def random_csr(rows, columns, seed, density=0.3):
    matrix = random_array((rows, columns), density=density, random_state=np.random.default_rng(seed))
    return csr_array(matrix, dtype=np.float32)


def unit(vectors):
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(norms > 0, norms, 1)


def test_members_are_grouped_by_meta_label():
    starts, labels = META.members()
    members = [labels[start:end].tolist() for start, end in pairwise(starts)]
    assert members == [[1, 4], [0, 3, 5], [], [2]]


def test_membership_matrix_matches_the_assignment():
    membership = META.membership()
    expected = (np.arange(4)[:, None] == ASSIGNMENT[None, :]).astype(np.float32)
    np.testing.assert_array_equal(membership.toarray(), expected)
    assert membership.dtype == np.float32


def test_meta_targets_are_distinct_and_do_not_change_the_labels():
    labels = binary_rows([[0, 3, 2], [1, 4], [], [5]], 6)
    before = labels.toarray()
    targets = META.meta_targets(labels)
    np.testing.assert_array_equal(targets.toarray(), [[0, 1, 0, 1], [1, 0, 0, 0], [0, 0, 0, 0], [0, 1, 0, 0]])
    assert targets.nnz == 4
    assert targets.dtype == np.float32
    assert targets.has_sorted_indices
    np.testing.assert_array_equal(labels.toarray(), before)


def test_meta_features_are_sums_of_member_texts_at_unit_norm():
    features = random_csr(6, 20, seed=0)
    found = META.meta_features(features)
    expected = unit(np.stack([features.toarray()[meta == ASSIGNMENT].sum(axis=0) for meta in range(4)]))
    np.testing.assert_allclose(found.toarray(), expected, rtol=1e-6)
    assert found.dtype == np.float32
    assert found.has_sorted_indices


@pytest.mark.parametrize(("label", "meta"), [(0, -1), (5, 4)])
def test_assignment_out_of_range_is_refused(label, meta):
    assignment = ASSIGNMENT.copy()
    assignment[label] = meta
    with pytest.raises(ValueError, match=f"meta-labels 0 to 3, but label {label} is in meta-label {meta}"):
        MetaLabels(assignment, 4)


def test_single_meta_label_with_one_label():
    one = MetaLabels(np.zeros(1, np.int32), 1)
    np.testing.assert_array_equal(one.membership().toarray(), [[1]])
    np.testing.assert_array_equal(one.meta_targets(binary_rows([[0], []], 1)).toarray(), [[1], [0]])


def centroid_reference(features, labels, label_features, graph):
    sums = np.zeros_like(label_features)
    for label in range(labels.shape[1]):
        points = np.flatnonzero(labels[:, label])
        sums[label] = features[points].sum(axis=0) if len(points) else label_features[label]
    return unit(graph @ unit(sums))


@pytest.mark.parametrize("kind", [np.asarray, csr_array])
def test_centroids_match_dense_reference(kind):
    features, texts = random_csr(30, 12, seed=1), random_csr(8, 12, seed=2)
    rng = np.random.default_rng(3)
    # No point has label 7.
    labels = binary_rows([np.unique(rng.integers(0, 7, 2)).tolist() for _ in range(30)], 8)
    graph = random_csr(8, 8, seed=4) + csr_array(eye_array(8, dtype=np.float32))

    found = label_centroids(kind(features.toarray()), labels, kind(texts.toarray()), csr_array(graph))

    dense = [matrix.toarray() for matrix in (features, labels, texts, graph)]
    assert isinstance(found, csr_array if kind is csr_array else np.ndarray)
    assert found.dtype == np.float32
    np.testing.assert_allclose(
        found.toarray() if kind is csr_array else found, centroid_reference(*dense), rtol=1e-5, atol=1e-7
    )


@pytest.mark.parametrize("kind", [np.asarray, csr_array])
def test_labels_without_points_use_their_text_and_zeros_stay_zeros(kind):
    features, texts = np.zeros((2, 2), np.float32), np.array([[1, 0], [3, 4], [0, 0]], np.float32)
    labels, identity = binary_rows([[0], [0]], 3), csr_array(eye_array(3, dtype=np.float32))
    found = label_centroids(kind(features), labels, kind(texts), identity)
    dense = found.toarray() if kind is csr_array else found
    np.testing.assert_allclose(dense, [[0, 0], [0.6, 0.8], [0, 0]], rtol=1e-6)


def sparse_problem(points=60, labels=25, tokens=40):
    features, texts = random_csr(points, tokens, seed=1), random_csr(labels, tokens, seed=2)
    label_matrix = csr_array((random_csr(points, labels, seed=3, density=0.1) > 0).astype(np.float32))
    graph = random_csr(labels, labels, seed=4) + csr_array(eye_array(labels, dtype=np.float32))
    return features, label_matrix, texts, csr_array(graph)


def test_sparse_centroids_ignore_the_block_size(monkeypatch):
    problem = sparse_problem()
    whole = label_centroids(*problem)
    monkeypatch.setattr(meta_labels, "_BLOCK_ROWS", 7)
    blocks = label_centroids(*problem)
    for part in ("indptr", "indices", "data"):
        np.testing.assert_array_equal(getattr(blocks, part), getattr(whole, part))


@pytest.mark.parametrize("kept", [1, 4, 9])
def test_large_sparse_centroids_keep_their_largest_entries(kept, monkeypatch):
    features, labels, texts, graph = sparse_problem()
    monkeypatch.setattr(meta_labels, "MAX_ENTRIES", 25 * kept + 3)
    found = label_centroids(features, labels, texts, graph)

    def largest(dense):
        smallest_kept = np.sort(dense, axis=1)[:, -kept:].min(axis=1, keepdims=True)
        return unit(np.where(dense >= smallest_kept, dense, 0))

    sums = (labels.T @ features).toarray()
    missing = labels.sum(axis=0) == 0
    sums[missing] = texts.toarray()[missing]
    expected = largest(graph.toarray() @ largest(sums))
    assert np.diff(found.indptr).max() == kept
    np.testing.assert_allclose(found.toarray(), expected, rtol=1e-5, atol=1e-7)


def test_label_centroids_does_not_change_its_arguments():
    features, texts = np.ones((2, 2), np.float32), np.full((2, 2), 5, np.float32)
    label_centroids(features, binary_rows([[0], []], 2), texts, csr_array(eye_array(2, dtype=np.float32)))
    assert features.tolist() == [[1, 1], [1, 1]]
    assert texts.tolist() == [[5, 5], [5, 5]]
