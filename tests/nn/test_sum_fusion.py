import torch

from xcgraph.nn.fusion import MeanFusion, SumFusion


def test_sum_matches_hand_computed_example():
    views = (torch.tensor([[1.0, 2.0], [0.0, -1.0]]), torch.tensor([[3.0, 6.0], [0.0, 1.0]]))
    assert SumFusion(2, 2)(views).tolist() == [[4, 8], [0, 0]]
    assert list(SumFusion(2, 2).parameters()) == []


def test_sum_is_mean_times_number_of_views(random_views):
    views = random_views(3)
    torch.testing.assert_close(SumFusion(4, 3)(views), 3 * MeanFusion(4, 3)(views))


def test_survives_copies(assert_survives, random_views):
    assert_survives(SumFusion(4, 3), SumFusion(4, 3), random_views(3))
