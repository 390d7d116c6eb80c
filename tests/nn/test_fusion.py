import pytest
import torch

from xcgraph.errors import UserError
from xcgraph.nn.fusion import AttentionFusion, MeanFusion, OnlyView


def make_attention(num_views=3, seed=0):
    """Build a fusion with perturbed parameters and converged power iterations."""
    torch.manual_seed(seed)
    fusion = AttentionFusion(4, num_views)
    with torch.no_grad():
        for parameter in fusion.parameters():
            parameter.add_(torch.randn_like(parameter))
        for _ in range(300):
            fusion((torch.zeros(1, 4),) * num_views)
    return fusion.eval()


@pytest.fixture(params=["attention", "mean"])
def any_fusion(request):
    return make_attention() if request.param == "attention" else MeanFusion(4, 3)


@pytest.mark.parametrize("num_views", [1, 2, 3])
def test_attention_matches_formula(num_views, random_views):
    fusion, views = make_attention(num_views), random_views(num_views)
    first, bias, second = fusion.hidden.weight, fusion.hidden.bias, fusion.score.weight
    hidden = torch.cat([view.clamp(min=0) @ first.T + bias for view in views], dim=1)
    exponentials = (hidden @ second.T).exp()
    weights = exponentials / exponentials.sum(dim=1, keepdim=True)

    torch.testing.assert_close(fusion.weights(views), weights)
    expected = sum(weights[:, [index]] * view for index, view in enumerate(views))
    torch.testing.assert_close(fusion(views), expected)


def test_attention_weights_are_shares_and_differ_between_labels(random_views):
    weights = make_attention().weights(tuple(10 * view for view in random_views(3, labels=50)))
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(50))
    assert (weights > 0).all()
    assert (weights.max(dim=0).values > 0.5).all()


def test_attention_weights_have_spectral_norm_one():
    fusion = make_attention()
    for linear in (fusion.hidden, fusion.score):
        assert torch.linalg.matrix_norm(linear.weight, ord=2).item() == pytest.approx(1, rel=1e-4)
    assert fusion.hidden.bias.abs().sum() > 0
    assert fusion.score.bias is None
    assert AttentionFusion(4, 2).hidden.bias.count_nonzero() == 0


def test_equal_views_fuse_to_themselves(any_fusion):
    view = torch.randn(5, 4)
    torch.testing.assert_close(any_fusion((view, view, view)), view)


def test_attention_has_dropout_in_training_only(random_views):
    fusion, views = make_attention(), random_views(3)
    assert torch.equal(fusion(views), fusion(views))
    fusion.train()
    assert not torch.equal(fusion(views), fusion(views))


def test_attention_parameters_and_views_have_gradients(random_views):
    fusion, views = make_attention(), random_views(3, requires_grad=True)
    fusion(views).square().sum().backward()
    assert len(list(fusion.parameters())) == 3
    assert all(part.grad.abs().sum() > 0 for part in (*fusion.parameters(), *views))


def test_mean_matches_hand_computed_example():
    views = (torch.tensor([[1.0, 2.0], [0.0, -1.0]]), torch.tensor([[3.0, 6.0], [0.0, 1.0]]))
    assert MeanFusion(2, 2)(views).tolist() == [[2, 4], [0, 0]]
    assert list(MeanFusion(2, 2).parameters()) == []


def test_only_view_is_returned():
    view = torch.randn(5, 4)
    assert torch.equal(OnlyView()((view,)), view)
    assert list(OnlyView().parameters()) == []


def test_no_labels_give_no_vectors(any_fusion, random_views):
    assert any_fusion(random_views(3, labels=0)).shape == (0, 4)


def test_dropout_outside_its_range_is_refused():
    with pytest.raises(UserError, match=r"must lie in \[0, 1\), got 1"):
        AttentionFusion(4, 2, dropout=1.0)


def test_fusions_survive_copies(assert_survives, random_views):
    views = random_views(3)
    assert_survives(make_attention(), make_attention(seed=1), views)
    assert_survives(MeanFusion(4, 3), MeanFusion(4, 3), views)
