from copy import deepcopy

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array

from xcgraph.data.batching import label_sets
from xcgraph.errors import UserError
from xcgraph.nn.blocks import ResidualBlock
from xcgraph.nn.label_graph import Graph, LabelGraphLayer, MemberSums, Propagation
from xcgraph.nn.label_text import FrozenLabelText

# Not symmetric; label 3 has no neighbour and label 1 is none.
DENSE = torch.tensor(
    [[0.5, 0.0, 0.25, 0.0], [0.1, 0.0, 0.0, 0.7], [0.0, 0.0, 1.5, 0.0], [0.0, 0.0, 0.0, 0.0]]
)
# Meta-label 1 has no members.
MEMBERS = csr_array(np.array([[1, 0, 1, 0], [0, 0, 0, 0], [0, 1, 0, 1]], np.float32))
IDS = torch.tensor([3, 0, 3])


def make_graph(dense=DENSE):
    rows, columns = dense.nonzero(as_tuple=True)
    return Graph(rows, columns, dense[rows, columns], len(dense))


def make_views(seed=0, views=2):
    return torch.randn(4, views, 3, generator=torch.Generator().manual_seed(seed)).unbind(1)


def make_layer(seed=0, hops=(0, 1)):
    torch.manual_seed(seed)
    layer = LabelGraphLayer(FrozenLabelText(make_views()), hops, lambda: ResidualBlock(3, 0.2))
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
    torch.testing.assert_close(propagation(vectors, make_graph()), tuple(expected))


def test_hops_out_of_range():
    with pytest.raises(UserError, match="hops must be ≥ 0, got -1"):
        Propagation(-1)


def test_layer_passes_each_view_through_its_own_block():
    layer, views = make_layer().eval(), make_views()
    expected = (layer.blocks[0](views[0]), layer.blocks[1](views[1]))
    torch.testing.assert_close(layer(), expected)
    torch.testing.assert_close(layer(IDS), tuple(view[IDS] for view in expected))
    assert not torch.allclose(layer.blocks[0](views[0]), layer.blocks[1](views[0]))


@pytest.mark.parametrize("hops", [(1,), (0,)])
def test_layer_leaves_out_other_hops(hops):
    layer = make_layer(hops=hops).eval()
    expected = tuple(block(make_views()[hop]) for hop, block in zip(hops, layer.blocks, strict=True))
    torch.testing.assert_close(layer(), expected)
    torch.testing.assert_close(layer(IDS), tuple(view[IDS] for view in expected))


@pytest.mark.parametrize("hops", [(0, 1), (0,)])
def test_meta_labels_sum_the_views_of_their_members(hops):
    layer = make_layer(hops=hops).eval()
    found = MemberSums(layer, label_sets(MEMBERS))
    expected = tuple(torch.from_numpy(MEMBERS.toarray()) @ view for view in layer())
    torch.testing.assert_close(found(), expected)
    torch.testing.assert_close(found(torch.tensor([2, 0])), tuple(view[[2, 0]] for view in expected))


def test_members_teach_the_blocks_as_a_dense_product_does():
    weights, gradients = torch.randn(3, 2, 3), []
    for pooled in (True, False):
        layer = make_layer().eval()
        views = MemberSums(layer, label_sets(MEMBERS))() if pooled else None
        if not pooled:
            views = tuple(torch.from_numpy(MEMBERS.toarray()) @ view for view in layer())
        (torch.stack(views, dim=1).sin() * weights).sum().backward()
        gradients.append([parameter.grad for parameter in layer.parameters()])
    torch.testing.assert_close(*gradients)


def test_state_holds_what_is_learned_and_nothing_else():
    assert list(make_graph().state_dict()) == []
    assert all(name.startswith("blocks.") for name in make_layer().state_dict())
    assert all(name.startswith("labels.blocks.") for name in make_sums().state_dict())


def make_sums(seed=0):
    return MemberSums(make_layer(seed), label_sets(MEMBERS))


def test_survive_copies(assert_survives):
    assert_survives(make_graph(), make_graph(), torch.randn(4, 3))
    assert_survives(make_layer(0), make_layer(1), IDS)
    assert_survives(make_layer(0, hops=(0,)), make_layer(1, hops=(0,)), IDS)
    assert_survives(make_sums(0), make_sums(1), torch.tensor([2, 0]))
