import numpy as np
import pytest
import torch
from scipy.sparse import csr_array

from xcgraph.data.batching import token_bag
from xcgraph.errors import UserError
from xcgraph.nn.dual_encoder import DualEncoder
from xcgraph.nn.encoder import BagOfTokens

TEXTS = csr_array(np.array([[1, 0, 2, 0], [0, 0, 0, 0], [0, 3, 0, 0.5], [0, 0, 1, 1]], np.float32))


def make_encoder(seed=0, **changes):
    torch.manual_seed(seed)
    return DualEncoder(BagOfTokens(4, dim=3), **changes)


def test_vectors_match_formula():
    encoder = make_encoder()
    dense = torch.from_numpy(TEXTS.toarray()) @ encoder.encoder.embedding.weight
    expected = [[x / max(row.norm(), 1e-12) for x in row] for row in dense]
    torch.testing.assert_close(encoder(token_bag(TEXTS)), torch.tensor(expected))
    assert encoder(token_bag(TEXTS))[1].tolist() == [0, 0, 0]


def test_dropout_acts_in_training_only():
    encoder = make_encoder(dropout=0.9)
    assert (encoder(token_bag(TEXTS)) == 0).float().mean() > 0.5
    torch.testing.assert_close(encoder.eval()(token_bag(TEXTS)), make_encoder()(token_bag(TEXTS)))
    with pytest.raises(UserError, match=r"must lie in \[0, 1\), got 1"):
        make_encoder(dropout=1.0)


@pytest.mark.parametrize("size", [1, 3, 100])
def test_blocks_match_one_pass(size):
    encoder = make_encoder()
    found = encoder.in_blocks(token_bag(TEXTS), size)
    torch.testing.assert_close(found, encoder(token_bag(TEXTS)))
    assert not found.requires_grad
    assert encoder.in_blocks(token_bag(TEXTS[:0]), size).shape == (0, 3)


def test_survives_copies(assert_survives):
    assert_survives(make_encoder(), make_encoder(seed=1), token_bag(TEXTS))
