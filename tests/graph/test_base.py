import numpy as np

from xcgraph.graph.base import IdentityGraph, LabelGraph
from xcgraph.sparse import binary_rows


def test_identity_graph_connects_each_label_to_itself():
    builder: LabelGraph = IdentityGraph()
    graph = builder.build(binary_rows([[0, 1], [1, 2]], 4), np.ones((4, 2), np.float32), seed=0)
    np.testing.assert_array_equal(graph.toarray(), np.eye(4))
    assert graph.dtype == np.float32
    assert graph.format == "csr"
