import pytest
from scipy.sparse import csr_array

from xcgraph.data.metadata import GraphMetadata
from xcgraph.errors import UserError


def links(rows, anchors=4):
    return csr_array((rows, anchors))


@pytest.mark.parametrize("part", ["test", "labels"])
def test_parts_with_different_numbers_of_anchors_are_refused(part):
    with pytest.raises(UserError, match=f"expected 4 anchors as in train, found 5 in {part}"):
        GraphMetadata(train=links(3), **{part: links(2, anchors=5)})


def test_parts_skips_missing_parts():
    graph = GraphMetadata(train=links(3), labels=links(2))

    assert [(part, matrix.shape[0]) for part, matrix in graph.parts()] == [("train", 3), ("labels", 2)]
    assert graph.num_anchors == 4
