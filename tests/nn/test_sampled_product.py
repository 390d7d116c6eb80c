import pytest
import torch
from torch.autograd import gradcheck

from xcgraph import row_blocks
from xcgraph.nn.sampled_product import sampled_product

# A label that nobody asks for, one asked for twice by one point, and one by two.
POSITIONS = torch.tensor([[0, 2, 4], [4, 4, 0], [5, 2, 0], [1, 0, 5]])


@pytest.fixture(params=[1, 24, 1 << 17])
def _blocks(request, monkeypatch):
    """Blocks of one point, two points, or all points."""
    monkeypatch.setattr(row_blocks, "_BLOCK", request.param)


def random_factors(**changes):
    return torch.randn(4, 4, **changes), torch.randn(6, 4, **changes)


@pytest.mark.usefixtures("_blocks")
def test_products_match_dense_product():
    points, vectors = random_factors()
    expected = (points @ vectors.T).gather(1, POSITIONS)
    torch.testing.assert_close(sampled_product(points, vectors, POSITIONS), expected)


@pytest.mark.usefixtures("_blocks")
def test_gradient_matches_finite_differences():
    factors = random_factors(dtype=torch.float64, requires_grad=True)
    assert gradcheck(lambda *parts: sampled_product(*parts, POSITIONS), factors)


@pytest.mark.parametrize("positions", [POSITIONS[:, :0], POSITIONS[:0]])
def test_no_pairs_give_no_products(positions):
    points, vectors = (part.requires_grad_() for part in random_factors())
    found = sampled_product(points[: len(positions)], vectors, positions)
    assert found.shape == positions.shape
    found.sum().backward()
    assert points.grad.count_nonzero() == vectors.grad.count_nonzero() == 0


def test_bfloat16_factor_gives_float32_products():
    points, vectors = random_factors()
    found = sampled_product(points.bfloat16(), vectors, POSITIONS)
    torch.testing.assert_close(found, sampled_product(points.bfloat16().float(), vectors, POSITIONS))
