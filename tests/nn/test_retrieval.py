import pytest
import torch

from xcgraph.errors import UserError
from xcgraph.nn.retrieval import ExactRetrieval


@pytest.mark.parametrize("block_size", [1, 3, 7, 20, 100])
@pytest.mark.parametrize("k", [1, 5, 20, 30])
def test_blocks_match_one_dense_product(block_size, k):
    points, labels = torch.randn(6, 8), torch.randn(20, 8)
    found, values = ExactRetrieval(block_size).index(labels)(points, k)
    expected = (points @ labels.T).sort(dim=1, descending=True)
    width = min(k, 20)
    assert torch.equal(found, expected.indices[:, :width])
    torch.testing.assert_close(values, expected.values[:, :width])


def test_no_points_or_no_labels_give_no_results():
    found, values = ExactRetrieval().index(torch.randn(4, 3))(torch.randn(0, 3), 2)
    assert found.shape == values.shape == (0, 2)
    found, values = ExactRetrieval().index(torch.randn(0, 3))(torch.randn(5, 3), 2)
    assert found.shape == values.shape == (5, 0)


def test_block_size_below_one_is_refused():
    with pytest.raises(UserError, match=r"retrieval\.block_size must be ≥ 1, got 0"):
        ExactRetrieval(0)
