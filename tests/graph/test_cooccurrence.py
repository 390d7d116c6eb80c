import numpy as np
from scipy.sparse import csr_array

from xcgraph.graph.base import LabelGraph
from xcgraph.graph.cooccurrence import CooccurrenceGraph
from xcgraph.sparse import binary_rows, symmetric_normalize

# Label 4 has no points; point 5 has no labels; label 3 shares no point with another.
TINY = binary_rows([[0, 1], [1, 2], [0, 1, 2], [3], [1], []], 5)


def test_edges_count_shared_points():
    builder: LabelGraph = CooccurrenceGraph()
    counts = np.array(
        [[2, 2, 1, 0, 0], [2, 4, 2, 0, 0], [1, 2, 2, 0, 0], [0, 0, 0, 1, 0], [0, 0, 0, 0, 1]], np.float32
    )
    found = builder.build(TINY, None, seed=0)
    np.testing.assert_allclose(found.toarray(), symmetric_normalize(csr_array(counts)).toarray(), rtol=1e-6)


def test_counts_above_255_are_exact():
    labels = binary_rows([[0, 1]] * 300 + [[2]] * 5, 3)
    found = CooccurrenceGraph().build(labels, None, seed=0)
    np.testing.assert_allclose(found.toarray(), [[0.5, 0.5, 0], [0.5, 0.5, 0], [0, 0, 1]], rtol=1e-6)


def test_pruning_keeps_strong_edges_between_similar_labels_without_head_labels():
    rows = [[0, 1], [0, 1], [0, 2], [0, 3], [0, 3], [0, 3], [4, 0]]
    vectors = np.array([[1, 0], [1, 0.1], [1, -0.1], [-1, 0], [1, 0]], np.float32)
    found = CooccurrenceGraph(num_neighbors=1).build(binary_rows(rows, 5), vectors, 0).toarray()
    assert np.flatnonzero(found[0]).tolist() == [0, 1]  # label 3 shares more points, but is dissimilar
    found = CooccurrenceGraph(head_label_threshold=6).build(binary_rows(rows, 5), vectors, 0).toarray()
    np.testing.assert_array_equal(found, np.eye(5))


def test_labels_without_shared_points_have_no_neighbours():
    np.testing.assert_array_equal(
        CooccurrenceGraph().build(binary_rows([[0], [1]], 3), None, 0).toarray(), np.eye(3)
    )
