import pytest
import torch

from xcgraph.nn.fusion import ConcatFusion, MeanFusion


def make_fusion(num_views=3, seed=0):
    """Build a fusion with perturbed parameters."""
    torch.manual_seed(seed)
    fusion = ConcatFusion(4, num_views)
    with torch.no_grad():
        fusion.mix.weight.add_(torch.randn_like(fusion.mix.weight))
    return fusion


@pytest.mark.parametrize("num_views", [1, 2, 3])
def test_fresh_fusion_is_the_mean(num_views, random_views):
    views = random_views(num_views)
    torch.testing.assert_close(ConcatFusion(4, num_views)(views), MeanFusion(4, num_views)(views))


@pytest.mark.parametrize("num_views", [1, 2, 3])
def test_each_view_has_its_own_matrix(num_views, random_views):
    fusion, views = make_fusion(num_views), random_views(num_views)
    matrices = fusion.mix.weight.split(4, dim=1)
    expected = sum(views[view] @ matrices[view].T for view in range(num_views))
    torch.testing.assert_close(fusion(views), expected)


def test_parameters_and_views_have_gradients(random_views):
    fusion, views = make_fusion(), random_views(3, requires_grad=True)
    fusion(views).square().sum().backward()
    assert [parameter.shape for parameter in fusion.parameters()] == [(4, 12)]
    assert fusion.mix.weight.grad.count_nonzero() == 48
    assert all(view.grad.abs().sum() > 0 for view in views)


def test_no_labels_give_no_vectors(random_views):
    assert make_fusion()(random_views(3, labels=0)).shape == (0, 4)


def test_survives_copies(assert_survives, random_views):
    assert_survives(make_fusion(), make_fusion(seed=1), random_views(3))
