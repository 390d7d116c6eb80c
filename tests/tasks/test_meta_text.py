import numpy as np
from scipy.sparse import csr_array

from xcgraph.clustering.meta_labels import MetaLabels
from xcgraph.tasks.meta_text import joined_texts, summed_views

METAS = MetaLabels(np.array([0, 1, 0], np.int32), 2)
TEXTS = csr_array(np.array([[3, 0], [0, 1], [1, 3]], np.float32))
GRAPH, BETWEEN = csr_array(np.eye(3, dtype=np.float32)), csr_array(np.eye(2, dtype=np.float32))


def test_joined_texts_belong_to_meta_labels():
    labels = joined_texts(METAS, TEXTS, GRAPH, BETWEEN)
    np.testing.assert_allclose(labels.texts.toarray(), [[0.8, 0.6], [0, 1]], rtol=1e-6)
    assert labels.graph is BETWEEN
    assert labels.members is None


def test_summed_views_belong_to_labels():
    labels = summed_views(METAS, TEXTS, GRAPH, BETWEEN)
    assert labels.texts is TEXTS
    assert labels.graph is GRAPH
    assert labels.members.toarray().tolist() == [[1, 0, 1], [0, 1, 0]]
