import numpy as np
import pytest
from scipy.sparse import csr_array, random_array

from xcgraph.graph.game import meta_graph


def twin(graph, assignment, num_meta, num_neighbors):
    between = np.zeros((num_meta, num_meta), np.float32)
    for source, target, value in zip(*csr_array(graph).tocoo().coords, graph.tocoo().data, strict=True):
        between[assignment[source], assignment[target]] += value
    for row in between:
        row[np.argsort(-row, kind="stable")[num_neighbors:]] = 0
    rows, columns = between.sum(axis=1, keepdims=True), between.sum(axis=0)
    return between / np.sqrt(np.where(rows > 0, rows, 1)) / np.sqrt(np.where(columns > 0, columns, 1))


@pytest.mark.parametrize("num_neighbors", [1, 3, 100])
def test_equals_a_plain_twin(num_neighbors):
    rng = np.random.default_rng(0)
    # Quarters add up exactly in float32, so that ties are ties by both routes.
    graph = csr_array(random_array((40, 40), density=0.2, random_state=rng), dtype=np.float32)
    graph.data = np.ceil(graph.data * 8).astype(np.float32) / 4
    assignment = rng.integers(0, 12, 40)
    membership = csr_array((np.ones(40, np.float32), (assignment, np.arange(40))), shape=(12, 40))

    found = meta_graph(graph, membership, num_neighbors)

    assert found.dtype == np.float32
    assert found.has_sorted_indices
    assert np.diff(found.indptr).max() <= num_neighbors
    np.testing.assert_allclose(found.toarray(), twin(graph, assignment, 12, num_neighbors), rtol=1e-5)


def test_singletons_give_the_graph_itself_normalised():
    graph = csr_array(np.array([[2, 1], [0, 3]], np.float32))
    found = meta_graph(graph, csr_array(np.eye(2, dtype=np.float32)), 10)
    np.testing.assert_allclose(found.toarray(), [[2 / 6**0.5, 1 / 12**0.5], [0, 3 / 12**0.5]], rtol=1e-6)
