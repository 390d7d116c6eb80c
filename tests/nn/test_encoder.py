import numpy as np
import pytest
import torch
from scipy.sparse import csr_array

from xcgraph.data.batching import token_bag
from xcgraph.errors import UserError
from xcgraph.nn.blocks import GatedResidualBlock, ResidualBlock
from xcgraph.nn.encoder import BagOfTokens, Encoder, ShiftedSumOfTokens, SumOfTokens

# The second text has no token; in the last text, one token is stored twice.
TEXTS = csr_array(
    (
        np.array([0.6, 0.8, 2, 1, -0.5, 3], np.float32),
        np.array([4, 0, 2, 1, 3, 1]),
        np.array([0, 2, 2, 3, 6]),
    ),
    shape=(4, 6),
)


def make_encoder(seed=0, **changes):
    torch.manual_seed(seed)
    return BagOfTokens(**{"num_tokens": 6, "dim": 3, **changes})


class Constant(Encoder):
    dim = 3

    def embed(self, texts):
        return torch.ones(len(texts.offsets) - 1, self.dim)

    def forward(self, texts):
        return self.embed(texts)

    def adopt_embedding(self, trained):
        pass

    def freeze_embedding(self):
        pass


def test_embed_matches_dense_product():
    encoder = make_encoder()
    expected = torch.from_numpy(TEXTS.toarray()) @ encoder.embedding.weight
    torch.testing.assert_close(encoder.embed(token_bag(TEXTS)), expected)
    assert expected[1].tolist() == [0, 0, 0]


def test_forward_matches_formula():
    encoder = make_encoder().eval()
    expected = encoder.block(encoder.embed(token_bag(TEXTS))).clamp(min=0)
    torch.testing.assert_close(encoder(token_bag(TEXTS)), expected)
    assert (expected > 0).any()


def test_no_texts_give_no_vectors():
    assert make_encoder()(token_bag(csr_array((0, 6), dtype=np.float32))).shape == (0, 3)


def test_dropout_acts_in_training_only():
    texts = token_bag(csr_array(np.ones((300, 6), np.float32)))
    encoder = make_encoder(dropout=0.5)
    with torch.no_grad():
        encoder.embedding.weight.abs_()
    assert 0.4 < (encoder.train()(texts) == 0).float().mean() < 0.6
    assert (encoder.eval()(texts) > 0).all()


def test_sparse_gradients_match_dense_ones():
    gradients = []
    for sparse in (False, True):
        encoder = make_encoder(sparse_gradients=sparse).eval()
        encoder(token_bag(TEXTS)).square().sum().backward()
        gradients.append(encoder.embedding.weight.grad)
    dense, sparse = gradients
    assert (dense.is_sparse, sparse.is_sparse) == (False, True)
    torch.testing.assert_close(sparse.to_dense(), dense)
    assert dense[5].tolist() == [0, 0, 0]
    assert sparse.coalesce().indices().tolist() == [[0, 1, 2, 3, 4]]


def test_initial_embeddings_lie_within_inverse_root_of_dim():
    start = make_encoder(num_tokens=500, dim=16).embedding.weight.abs()
    assert 0.24 < start.max() <= 0.25
    assert start.mean().item() == pytest.approx(0.125, rel=0.05)


def test_adopted_embedding_is_a_copy():
    encoder, trained = make_encoder(0), make_encoder(1)
    block = {name: value.clone() for name, value in encoder.block.state_dict().items()}
    encoder.adopt_embedding(trained)

    assert torch.equal(encoder.embed(token_bag(TEXTS)), trained.embed(token_bag(TEXTS)))
    assert encoder.embed(token_bag(TEXTS)).requires_grad
    assert all(torch.equal(value, block[name]) for name, value in encoder.block.state_dict().items())
    adopted = encoder.embedding.weight.clone()
    with torch.no_grad():
        trained.embedding.weight.zero_()
    assert torch.equal(encoder.embedding.weight, adopted)


def test_freezing_embeddings_leaves_the_block_trainable():
    encoder = make_encoder()
    encoder.freeze_embedding()
    assert not encoder.embed(token_bag(TEXTS)).requires_grad
    assert all(parameter.requires_grad for parameter in encoder.block.parameters())
    encoder.adopt_embedding(make_encoder(1))
    assert not encoder.embed(token_bag(TEXTS)).requires_grad


@pytest.mark.parametrize("block", [ResidualBlock, GatedResidualBlock])
def test_block_gets_dim_and_dropout(block):
    encoder = make_encoder(block=block, dropout=0.4)
    assert isinstance(encoder.block, block)
    assert encoder.block.linear.in_features == 3
    assert encoder.block.dropout.p == 0.4


def test_adopting_other_embeddings_is_refused():
    with pytest.raises(TypeError, match="Expected embeddings of tokens, got a Constant"):
        make_encoder().adopt_embedding(Constant())
    with pytest.raises(RuntimeError, match="size mismatch"):
        make_encoder().adopt_embedding(make_encoder(num_tokens=7))


def test_values_outside_their_range_are_refused():
    with pytest.raises(UserError, match=r"encoder\.dim must be ≥ 1, got 0"):
        make_encoder(dim=0)
    with pytest.raises(UserError, match=r"must lie in \[0, 1\), got 1"):
        make_encoder(dropout=1.0)


@pytest.mark.parametrize("sparse", [False, True])
def test_survives_copies(assert_survives, sparse):
    encoders = (make_encoder(seed, sparse_gradients=sparse) for seed in range(2))
    assert_survives(*encoders, token_bag(TEXTS))


def test_sum_of_tokens_is_a_sum_with_dropout():
    torch.manual_seed(0)
    encoder = SumOfTokens(6, dim=3, dropout=0.5)
    sums = encoder.embed(token_bag(TEXTS))
    assert torch.equal(encoder.eval()(token_bag(TEXTS)), sums)
    dropped = encoder.train()(token_bag(TEXTS))
    assert set((dropped / sums)[[0, 2, 3]].round().flatten().tolist()) == {0, 2}


def test_shift_acts_on_points_only():
    torch.manual_seed(0)
    encoder = ShiftedSumOfTokens(6, dim=3, dropout=0.5).eval()
    sums = encoder.embed(token_bag(TEXTS))
    assert torch.equal(encoder(token_bag(TEXTS)), sums)  # o starts at 0
    encoder.shift.data = torch.tensor([1.0, -2.0, 3.0])
    assert torch.equal(encoder(token_bag(TEXTS)), sums + encoder.shift)
    assert torch.equal(encoder.embed(token_bag(TEXTS)), sums)
    encoder.train()(token_bag(TEXTS)).sum().backward()
    assert encoder.shift.grad is not None
    encoder.freeze_points()
    assert not encoder.shift.requires_grad


def test_embeddings_of_another_encoder_class_are_adopted():
    encoder, trained = SumOfTokens(6, dim=3), make_encoder(seed=1)
    encoder.adopt_embedding(trained)
    assert torch.equal(encoder.embedding.weight, trained.embedding.weight)
