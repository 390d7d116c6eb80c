from copy import deepcopy

import pytest
import torch

from xcgraph.errors import UserError
from xcgraph.nn.label_graph import Graph, Propagation

# Not symmetric; label 3 has no neighbours, and label 1 is no neighbour of a label.
DENSE = torch.tensor(
    [[0.5, 0.0, 0.25, 0.0], [0.1, 0.0, 0.0, 0.7], [0.0, 0.0, 1.5, 0.0], [0.0, 0.0, 0.0, 0.0]]
)


def make_graph(dense=DENSE):
    rows, columns = dense.nonzero(as_tuple=True)
    return Graph(rows, columns, dense[rows, columns], len(dense))


def test_graph_matches_dense_product():
    vectors = torch.randn(4, 3)
    torch.testing.assert_close(make_graph()(vectors), DENSE @ vectors)


def test_graph_gradient_matches_dense_autograd():
    weights, vectors = torch.randn(4, 3), torch.randn(4, 3)
    one, two = vectors.clone().requires_grad_(), vectors.clone().requires_grad_()
    (make_graph()(one).sin() * weights).sum().backward()
    ((DENSE @ two).sin() * weights).sum().backward()
    torch.testing.assert_close(one.grad, two.grad)
    assert one.grad[1].tolist() == [0, 0, 0]


def test_graph_without_edges_gives_zeros():
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
def test_graph_refuses_invalid_edges(rows, columns, message):
    with pytest.raises(ValueError, match=message):
        Graph(torch.tensor(rows), torch.tensor(columns), torch.ones(2), 2)


def test_copied_graph_has_a_gradient():
    vectors = torch.randn(4, 3, requires_grad=True)
    deepcopy(make_graph())(vectors).sum().backward()
    torch.testing.assert_close(vectors.grad, DENSE.sum(dim=0)[:, None].expand(4, 3))


@pytest.mark.parametrize("hops", [0, 1, 2, 3])
def test_propagation_matches_powers_of_dense_graph(hops):
    vectors, propagation = torch.randn(4, 3), Propagation(hops)
    expected = [torch.linalg.matrix_power(DENSE, power) @ vectors for power in range(hops + 1)]
    torch.testing.assert_close(propagation(vectors, make_graph()), tuple(expected))


def test_negative_hops_are_refused():
    with pytest.raises(UserError, match=r"hops.*-1"):
        Propagation(-1)


def test_graph_has_no_state():
    assert list(make_graph().state_dict()) == []


def test_graph_survives_copies(assert_survives):
    assert_survives(make_graph(), make_graph(), torch.randn(4, 3))
