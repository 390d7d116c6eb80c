import pickle

import pytest
import torch

from xcgraph.errors import UserError
from xcgraph.nn.blocks import (
    Foldable,
    FoldedBlock,
    GatedResidualBlock,
    NoBlock,
    ResidualBlock,
    checked_dropout,
)

BOTH = pytest.mark.parametrize("kind", [ResidualBlock, GatedResidualBlock])


def make_block(dim=4, dropout=0.2, seed=0, kind=ResidualBlock):
    """Build a block with perturbed parameters and a converged power iteration."""
    torch.manual_seed(seed)
    block = kind(dim, dropout)
    with torch.no_grad():
        for parameter in block.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
        for _ in range(200):
            block(torch.zeros(1, dim))
    return block.eval()


def test_fresh_block_passes_its_input_on():
    vectors = torch.randn(5, 4)
    found = ResidualBlock(4, 0.2).eval()(vectors)
    torch.testing.assert_close(found, vectors + vectors.relu())


def test_residual_block_matches_formula():
    block, vectors = make_block(), torch.randn(5, 4)
    weight, bias = block.linear.weight, block.linear.bias
    expected = vectors + block.scale * (vectors.clamp(min=0) @ weight.T + bias)
    torch.testing.assert_close(block(vectors), expected)
    assert bias.abs().min() > 0
    assert block.scale != 1


def test_fresh_gated_block_adds_half_of_input_and_half_of_relu():
    vectors = torch.randn(5, 4)
    found = GatedResidualBlock(4, 0.2).eval()(vectors)
    torch.testing.assert_close(found, vectors / 2 + vectors.relu() / 2)


def test_gated_block_matches_formula():
    block, vectors = make_block(kind=GatedResidualBlock), torch.randn(5, 4)
    keep, gate = (1 / (1 + torch.exp(-part)) for part in (block.keep, block.gate))
    expected = keep * vectors + gate * (vectors.clamp(min=0) @ block.linear.weight.T)
    torch.testing.assert_close(block(vectors), expected)
    assert block.linear.bias is None
    assert block.keep.shape == block.gate.shape == (4,)


@BOTH
@pytest.mark.parametrize("factor", [0.01, 1, 100])
def test_spectral_norm_is_one_for_any_weight(factor, kind):
    torch.manual_seed(0)
    block = kind(6, 0.0)
    with torch.no_grad():
        block.linear.parametrizations.weight.original.copy_(factor * torch.randn(6, 6))
        for _ in range(500):
            block(torch.zeros(1, 6))
    assert torch.linalg.matrix_norm(block.linear.weight, ord=2).item() == pytest.approx(1, rel=1e-4)


def test_power_iteration_runs_in_training_only():
    torch.manual_seed(0)
    block = ResidualBlock(6, 0.0)
    with torch.no_grad():
        block.linear.parametrizations.weight.original.copy_(torch.randn(6, 6))
    block.eval()
    before = block.linear.weight.clone()
    block(torch.zeros(1, 6))
    assert torch.equal(block.linear.weight, before)
    block.train()(torch.zeros(1, 6))
    assert not torch.equal(block.linear.weight, before)


def test_residual_block_has_dropout_in_training_only():
    block, vectors = ResidualBlock(4, 0.5), torch.rand(200, 4) + 1
    share = (block.train()(vectors) - vectors) / vectors  # 0 where dropped, else 1 / (1 - 0.5)
    assert set(share.round(decimals=4).flatten().tolist()) == {0, 2}
    assert 0.4 < (share > 1).float().mean() < 0.6
    torch.testing.assert_close(block.eval()(vectors), 2 * vectors)


@BOTH
def test_leading_axes_are_a_batch(kind):
    block, vectors = make_block(kind=kind), torch.randn(2, 3, 4)
    torch.testing.assert_close(block(vectors), block(vectors.flatten(0, 1)).unflatten(0, (2, 3)))
    assert block(torch.zeros(0, 4)).shape == (0, 4)


def test_gated_block_has_dropout_in_training_only():
    block, vectors = GatedResidualBlock(4, 0.5), torch.rand(200, 4) + 1
    share = (block.train()(vectors) - vectors / 2) / vectors
    assert set(share.round(decimals=4).flatten().tolist()) == {0, 1}
    torch.testing.assert_close(block.eval()(vectors), vectors)


@BOTH
def test_all_parameters_have_gradients(kind):
    block = make_block(kind=kind)
    block(torch.randn(5, 4)).square().sum().backward()
    assert len(list(block.parameters())) == 3
    assert all(parameter.grad.abs().sum() > 0 for parameter in block.parameters())


@pytest.mark.parametrize("dropout", [-0.1, 1.0, 1.5, float("nan")])
@BOTH
def test_dropout_outside_its_range_is_refused(dropout, kind):
    with pytest.raises(UserError, match=rf"dropout probability must lie in \[0, 1\), got {dropout}"):
        kind(4, dropout)


@pytest.mark.parametrize("dropout", [0.0, 0.999])
def test_dropout_inside_its_range_is_accepted(dropout):
    assert checked_dropout(dropout) == dropout


@BOTH
def test_survives_copies(assert_survives, kind):
    assert_survives(make_block(kind=kind), make_block(seed=1, kind=kind), torch.randn(5, 4))


@BOTH
def test_pickled_block_computes_the_same(kind):
    block, vectors = make_block(kind=kind), torch.randn(5, 4)
    received = pickle.loads(pickle.dumps(block))
    assert torch.equal(received(vectors), block(vectors))
    block.train()(vectors)
    received.train()(vectors)  # the power iteration goes on where it was
    assert torch.equal(received.linear.weight, block.linear.weight)


@BOTH
def test_folded_block_matches_block(kind):
    block, vectors = make_block(kind=kind), torch.randn(5, 4)

    folded = block.folded()

    found = vectors if folded.keep is None else folded.keep * vectors
    found = found + vectors.relu() @ folded.weight.T
    found = found if folded.bias is None else found + folded.bias
    torch.testing.assert_close(found, block(vectors))
    assert isinstance(block, Foldable)


def test_no_block_is_the_identity():
    vectors = torch.randn(4, 3)
    assert torch.equal(NoBlock(3, 0.5)(vectors), vectors)
    assert not list(NoBlock(3, 0.5).parameters())
    assert NoBlock(3, 0.5).folded() == FoldedBlock()
