import pytest
import torch

from xcgraph.nn.fusion import GatedFusion


def make_fusion(num_views=3, seed=0):
    """Build a fusion with perturbed parameters."""
    torch.manual_seed(seed)
    fusion = GatedFusion(4, num_views)
    with torch.no_grad():
        fusion.gates.add_(torch.randn_like(fusion.gates))
    return fusion


@pytest.mark.parametrize("num_views", [1, 2, 3])
def test_gated_fusion_matches_formula(num_views, random_views):
    fusion, views = make_fusion(num_views), random_views(num_views)
    expected = torch.zeros(5, 4)
    for label in range(5):
        for view in range(num_views):
            expected[label] += views[view][label] / (1 + torch.exp(-fusion.gates[view]))
    torch.testing.assert_close(fusion(views), expected)


def test_fresh_gates_are_one_half(random_views):
    views = random_views(2)
    torch.testing.assert_close(GatedFusion(4, 2)(views), (views[0] + views[1]) / 2)


def test_gates_of_each_view_and_coordinate_have_gradients(random_views):
    fusion, views = make_fusion(), random_views(3, requires_grad=True)
    fusion(views).square().sum().backward()
    assert fusion.gates.shape == (3, 4)
    assert fusion.gates.grad.count_nonzero() == 12
    assert all(view.grad.abs().sum() > 0 for view in views)


def test_no_labels_give_no_vectors(random_views):
    assert make_fusion()(random_views(3, labels=0)).shape == (0, 4)


def test_survives_copies(assert_survives, random_views):
    assert_survives(make_fusion(), make_fusion(seed=1), random_views(3))
