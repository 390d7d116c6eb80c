import math

import pytest
import torch
from torch.autograd import gradcheck
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from xcgraph import row_blocks
from xcgraph.nn.likelihood import Logistic, Softmax

PAIRS = torch.tensor([[0, 1], [0, 4], [2, 0]])


def random_scores(seed=0):
    """Return random scores with padding, a dense target, and the target as pairs."""
    generator = torch.Generator().manual_seed(seed)
    scores = 10 * torch.randn(6, 7, generator=generator)
    padding = torch.rand(6, 7, generator=generator) < 0.3
    target = ((torch.rand(6, 7, generator=generator) < 0.3) & ~padding).float()
    return scores, padding, target


@pytest.mark.parametrize("seed", range(5))
def test_logistic_loss_and_gradient_match_torch(seed):
    scores, _, target = random_scores(seed)
    one, two = scores.clone().requires_grad_(), scores.clone().requires_grad_()
    found = Logistic().loss(one, target.nonzero())
    expected = binary_cross_entropy_with_logits(two, target, reduction="sum") / len(scores)
    torch.testing.assert_close(found, expected)
    found.backward()
    expected.backward()
    torch.testing.assert_close(one.grad, two.grad)


@pytest.mark.parametrize("seed", range(5))
def test_logistic_loss_and_gradient_ignore_padding(seed):
    scores, padding, target = random_scores(seed)
    one, two = scores.clone().requires_grad_(), scores.clone().requires_grad_()
    found = Logistic().loss(one.masked_fill(padding, -math.inf), target.nonzero())
    weight = (~padding).float()
    expected = binary_cross_entropy_with_logits(two, target, weight, reduction="sum") / len(scores)
    torch.testing.assert_close(found, expected)
    found.backward()
    expected.backward()
    torch.testing.assert_close(one.grad, two.grad)
    assert one.grad.isfinite().all()


def test_logistic_loss_without_positives_or_scores_is_defined():
    none = torch.zeros(0, 2, dtype=torch.int64)
    assert Logistic().loss(torch.zeros(2, 3), none).item() == pytest.approx(3 * math.log(2))
    assert Logistic().loss(torch.zeros(2, 0), none) == 0


def test_logistic_loss_of_large_scores_is_finite():
    scores = torch.tensor([[1e4, -1e4]])
    assert Logistic().loss(scores, torch.tensor([[0, 0]])) == 0
    assert Logistic().loss(scores, torch.tensor([[0, 1]])) == 2e4


@pytest.mark.parametrize("seed", range(5))
def test_softmax_loss_matches_cross_entropy_of_each_positive(seed):
    scores, _, target = random_scores(seed)
    one, two = scores.clone().requires_grad_(), scores.clone().requires_grad_()
    rows, labels = target.nonzero().unbind(dim=1)
    found = Softmax().loss(one, target.nonzero())
    expected = cross_entropy(two[rows], labels, reduction="sum") / len(scores)
    torch.testing.assert_close(found, expected)
    found.backward()
    expected.backward()
    torch.testing.assert_close(one.grad, two.grad)


@pytest.mark.parametrize("block", [1, 1 << 17])
@pytest.mark.parametrize("has_relevance", [False, True])
@pytest.mark.parametrize("weights", [None, torch.arange(1, 8.0)], ids=["each", "many"])
@pytest.mark.parametrize("likelihood", [Logistic(), Softmax()])
def test_gradients_do_not_depend_on_block_size(likelihood, weights, has_relevance, block, monkeypatch):
    monkeypatch.setattr(row_blocks, "_BLOCK", block)
    scores, _, target = random_scores()
    positives = torch.cat([target.nonzero(), target.nonzero()[:2]])  # some count twice
    relevance = torch.linspace(0.1, 1, len(positives)).double() if has_relevance else None
    assert gradcheck(
        lambda scores: likelihood.loss(scores, positives, relevance, weights),
        scores.double().requires_grad_(),
    )


@pytest.mark.parametrize("likelihood", [Logistic(), Softmax()])
def test_column_weight_equals_repeated_columns(likelihood):
    scores, positives = random_scores()[0], torch.tensor([[0, 0], [3, 1]])
    weights = torch.tensor([1, 1, 3, 1, 2, 1, 1])
    found = likelihood.loss(scores, positives, None, weights.float())
    torch.testing.assert_close(found, likelihood.loss(scores.repeat_interleave(weights, dim=1), positives))


def test_point_with_padding_only_has_no_softmax_gradient():
    scores = torch.tensor([[-math.inf, -math.inf], [1.0, 2.0]], requires_grad=True)
    Softmax().loss(scores, torch.tensor([[1, 0]])).backward()
    assert scores.grad[0].tolist() == [0, 0]
    assert scores.grad.isfinite().all()


def test_softmax_ignores_padding():
    scores, padding, target = random_scores()
    padded = scores.masked_fill(padding, -math.inf).requires_grad_()
    Softmax().loss(padded, target.nonzero()).backward()
    assert padded.grad.isfinite().all()
    assert padded.grad[padding].abs().max() == 0


def test_softmax_ignores_a_constant_per_point():
    scores, _, target = random_scores()
    moved = scores + torch.arange(6.0)[:, None]
    torch.testing.assert_close(
        Softmax().loss(moved, target.nonzero()), Softmax().loss(scores, target.nonzero())
    )


@pytest.mark.parametrize("likelihood", [Logistic(), Softmax()])
def test_relevance_scales_positives(likelihood):
    scores = random_scores()[0]
    ones = likelihood.loss(scores, PAIRS, torch.ones(3))
    torch.testing.assert_close(ones, likelihood.loss(scores, PAIRS))
    # The loss is affine in the relevance of each positive.
    parts = [likelihood.loss(scores, PAIRS, relevance) for relevance in torch.eye(3)]
    none = likelihood.loss(scores, PAIRS, torch.zeros(3))
    found = likelihood.loss(scores, PAIRS, torch.tensor([1.0, 0.5, 0.25]))
    expected = none + (parts[0] - none) + 0.5 * (parts[1] - none) + 0.25 * (parts[2] - none)
    torch.testing.assert_close(found, expected)


def test_log_probabilities_match_formulas():
    scores = torch.tensor([[0.0, 2.0, -1.0], [1.0, 1.0, -math.inf]])
    torch.testing.assert_close(Logistic().log_probability(scores).exp(), scores.sigmoid())
    torch.testing.assert_close(Softmax().log_probability(scores).exp(), scores.softmax(dim=1))


@pytest.mark.parametrize("likelihood", [Logistic(), Softmax()])
def test_losses_of_parts_of_the_points_add_up(likelihood):
    scores, _, target = random_scores()
    whole, parts = scores.clone().requires_grad_(), scores.clone().requires_grad_()
    relevance = torch.rand(target.shape)
    shares = [slice(0, 2), slice(2, 6)]

    def loss(scores, share, num_points=None):
        pairs = target[share].nonzero()
        return likelihood.loss(
            scores[share], pairs, relevance[share][pairs[:, 0], pairs[:, 1]], num_points=num_points
        )

    expected = loss(whole, slice(0, 6))
    found = sum(loss(parts, share, 6) for share in shares)
    torch.testing.assert_close(found, expected)
    expected.backward()
    found.backward()
    torch.testing.assert_close(parts.grad, whole.grad)
