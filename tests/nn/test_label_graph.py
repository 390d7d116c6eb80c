from copy import deepcopy

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array
from torch import nn

from xcgraph.data.batching import token_bag
from xcgraph.errors import UserError
from xcgraph.nn.label_graph import FrozenLabelText, Graph, LabelGraphLayer, Propagation, TiedLabelText

# Not symmetric; label 3 has no neighbour and label 1 is none.
DENSE = torch.tensor(
    [[0.5, 0.0, 0.25, 0.0], [0.1, 0.0, 0.0, 0.7], [0.0, 0.0, 1.5, 0.0], [0.0, 0.0, 0.0, 0.0]]
)
TEXTS = csr_array(
    np.array([[1, 0, 0, 0.5, 0], [0, 2, 0, 0, 0], [0, 0, 0, 0, 0], [0.1, 0, 0.2, 0, 0.3]], np.float32)
)
IDS = torch.tensor([3, 0, 3])


def make_graph(dense=DENSE):
    rows, columns = dense.nonzero(as_tuple=True)
    return Graph(rows, columns, dense[rows, columns], len(dense))


def make_embedding(seed=0):
    torch.manual_seed(seed)
    return nn.EmbeddingBag(5, 3, mode="sum", include_last_offset=True)


def embed(embedding):
    return lambda texts: embedding(texts.tokens, texts.offsets, per_sample_weights=texts.weights)


def make_views(seed=0, views=2):
    return torch.randn(4, views, 3, generator=torch.Generator().manual_seed(seed))


def make_layer(seed=0, views=2):
    torch.manual_seed(seed)
    layer = LabelGraphLayer(FrozenLabelText(make_views(views=views)), num_views=views, dim=3)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return layer


def test_graph_as_a_dense_product():
    vectors = torch.randn(4, 3)
    torch.testing.assert_close(make_graph()(vectors), DENSE @ vectors)


def test_graph_gradient_as_dense_autograd():
    weights, vectors = torch.randn(4, 3), torch.randn(4, 3)
    one, two = vectors.clone().requires_grad_(), vectors.clone().requires_grad_()
    (make_graph()(one).sin() * weights).sum().backward()
    ((DENSE @ two).sin() * weights).sum().backward()
    torch.testing.assert_close(one.grad, two.grad)
    assert one.grad[1].tolist() == [0, 0, 0]


def test_graph_without_edges():
    vectors = torch.randn(4, 3, requires_grad=True)
    found = make_graph(torch.zeros(4, 4))(vectors)
    found.sum().backward()
    assert found.count_nonzero() == vectors.grad.count_nonzero() == 0


@pytest.mark.parametrize(
    ("rows", "columns", "message"),
    [
        ([1, 0], [0, 1], "not sorted by row"),
        ([0, 1], [0, 2], "larger indices than its number of columns"),
        ([0, 2], [0, 1], "larger indices than its number of rows"),
        ([0, 1], [-1, 1], "negative indices"),
    ],
)
def test_graph_refuses_what_it_cannot_read(rows, columns, message):
    with pytest.raises(ValueError, match=message):
        Graph(torch.tensor(rows), torch.tensor(columns), torch.ones(2), 2)


def test_graph_keeps_its_gradient_when_copied():
    vectors = torch.randn(4, 3, requires_grad=True)
    deepcopy(make_graph())(vectors).sum().backward()
    torch.testing.assert_close(vectors.grad, DENSE.sum(dim=0)[:, None].expand(4, 3))


@pytest.mark.parametrize("hops", [0, 1, 2, 3])
def test_propagation_as_powers_of_the_dense_graph(hops):
    vectors, propagation = torch.randn(4, 3), Propagation(hops)
    expected = [torch.linalg.matrix_power(DENSE, power) @ vectors for power in range(hops + 1)]
    torch.testing.assert_close(propagation(vectors, make_graph()), torch.stack(expected, dim=1))
    assert propagation.num_views == hops + 1


def test_hops_out_of_range():
    with pytest.raises(UserError, match="hops must be ≥ 0, got -1"):
        Propagation(-1)


@pytest.mark.parametrize("label_ids", [None, IDS, torch.tensor([], dtype=torch.int64)])
def test_tied_and_frozen_texts_give_equal_views(label_ids):
    embedding = make_embedding()
    tied = TiedLabelText(embed(embedding), token_bag(TEXTS), make_graph(), Propagation(2))
    text = torch.from_numpy(TEXTS.toarray()) @ embedding.weight.detach()
    frozen = FrozenLabelText(Propagation(2)(text, make_graph()))
    torch.testing.assert_close(tied(label_ids), frozen(label_ids))
    assert len(frozen(label_ids)) == (4 if label_ids is None else len(label_ids))


def test_tied_texts_teach_the_token_embeddings():
    embedding, weights = make_embedding(), torch.randn(3, 2, 3)
    tied = TiedLabelText(embed(embedding), token_bag(TEXTS), make_graph(), Propagation(1))
    (tied(IDS) * weights).sum().backward()

    table = embedding.weight.detach().clone().requires_grad_()
    text = torch.from_numpy(TEXTS.toarray()) @ table
    (torch.stack([text, DENSE @ text], dim=1)[IDS] * weights).sum().backward()
    torch.testing.assert_close(embedding.weight.grad, table.grad)


def test_layer_passes_each_view_through_its_own_block():
    layer, views = make_layer().eval(), make_views()
    expected = torch.stack([layer.blocks[0](views[:, 0]), layer.blocks[1](views[:, 1])], dim=1)
    torch.testing.assert_close(layer(), expected)
    torch.testing.assert_close(layer(IDS), expected[IDS])
    assert not torch.allclose(layer.blocks[0](views[:, 0]), layer.blocks[1](views[:, 0]))


def test_state_holds_what_is_learned_and_nothing_else():
    tied = TiedLabelText(embed(make_embedding()), token_bag(TEXTS), make_graph(), Propagation(1))
    assert list(tied.state_dict()) == list(make_graph().state_dict()) == []
    assert all(name.startswith("blocks.") for name in make_layer().state_dict())


def test_survive_copies(assert_survives):
    assert_survives(make_graph(), make_graph(), torch.randn(4, 3))
    assert_survives(FrozenLabelText(make_views()), FrozenLabelText(make_views()), IDS)
    assert_survives(make_layer(0), make_layer(1), IDS)
    assert_survives(make_layer(0, views=1), make_layer(1, views=1))
