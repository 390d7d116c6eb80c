import pytest
import torch

from xcgraph.nn.refinement import (
    NoRefinement,
    RandomRefinementVectors,
    RefinementVectors,
    ZeroRefinementVectors,
)

START = torch.arange(12.0).reshape(4, 3)
IDS = torch.tensor([2, 0, 2])


def test_vectors_start_at_a_copy_of_their_start():
    refinement = RefinementVectors(START)
    assert torch.equal(*refinement(), START)
    assert torch.equal(*refinement(IDS), START[IDS])
    with torch.no_grad():
        refinement.vectors.weight.zero_()
    assert START.sum() == 66


def test_start_can_be_a_slice():
    views = torch.randn(4, 2, 3)
    refinement = RefinementVectors(views[:, -1])
    assert torch.equal(*refinement(), views[:, 1])
    assert refinement.vectors.weight.is_contiguous()


def test_gradient_is_sparse_with_the_given_labels_only():
    refinement, weights = RefinementVectors(START), torch.randn(3, 3)
    (refinement(IDS)[0] * weights).sum().backward()
    gradient = refinement.vectors.weight.grad
    assert gradient.is_sparse
    assert gradient.coalesce().indices().tolist() == [[0, 2]]
    expected = torch.zeros(4, 3).index_add(0, IDS, weights)
    torch.testing.assert_close(gradient.to_dense(), expected)


def test_gradient_of_all_labels_is_sparse():
    refinement = RefinementVectors(START)
    refinement()[0].sum().backward()
    assert refinement.vectors.weight.grad.is_sparse


def test_random_vectors_start_like_token_embeddings():
    one, other = (RandomRefinementVectors(torch.full((500, 16), start))()[0].detach() for start in (0.0, 9.0))
    assert 0.24 < one.abs().max() <= 0.25
    assert one.std().item() == pytest.approx(0.25 / 3**0.5, rel=0.05)
    assert not torch.equal(one, other)
    torch.manual_seed(5)
    again = [*RandomRefinementVectors(START)()]
    torch.manual_seed(5)
    again += RandomRefinementVectors(START + 1)()
    assert torch.equal(*again)


def test_random_vectors_have_sparse_gradients():
    refinement = RandomRefinementVectors(START)
    refinement(IDS)[0].sum().backward()
    assert refinement.vectors.weight.grad.coalesce().indices().tolist() == [[0, 2]]


def test_no_refinement_has_no_view():
    refinement = NoRefinement(START)
    assert refinement() == refinement(IDS) == ()
    assert list(refinement.parameters()) == []
    assert refinement.state_dict() == {}


@pytest.mark.parametrize("kind", [RefinementVectors, RandomRefinementVectors, NoRefinement])
@pytest.mark.parametrize("label_ids", [None, IDS, torch.tensor([], dtype=torch.int64)])
def test_num_views_matches_returned_views(kind, label_ids):
    labels = 4 if label_ids is None else len(label_ids)
    assert [view.shape for view in kind(START)(label_ids)] == [(labels, 3)] * kind.num_views


@pytest.mark.parametrize("kind", [RefinementVectors, RandomRefinementVectors])
def test_survives_copies(assert_survives, kind):
    assert_survives(kind(START), kind(START + 1), IDS)
    assert_survives(kind(START), kind(START + 1))


@pytest.mark.parametrize("sparse", [False, True])
def test_zero_vectors_start_at_zero_and_learn(sparse):
    refinement = ZeroRefinementVectors(START, sparse_gradients=sparse)
    (vectors,) = refinement()
    assert torch.equal(vectors, torch.zeros(4, 3))
    refinement(IDS)[0].sum().backward()
    gradient = refinement.vectors.weight.grad
    assert gradient.is_sparse == sparse
    dense = gradient.to_dense() if sparse else gradient
    assert dense.tolist() == [[1] * 3, [0] * 3, [2] * 3, [0] * 3]
