import math

import pytest
import torch
from torch import nn
from torch.autograd import gradcheck
from torch.nn.functional import binary_cross_entropy_with_logits

from xcgraph import row_blocks
from xcgraph.batch import Shortlist
from xcgraph.nn.classifier import LabelClassifier, binary_loss
from xcgraph.nn.fusion import AttentionFusion
from xcgraph.nn.refinement import NoRefinement, RefinementVectors

IDS = torch.tensor([4, 0, 2])


def make_classifier(seed=0, positive_rate=0.1, refined=True):
    """Build a classifier of 5 labels with 2 views and a refinement vector each."""
    torch.manual_seed(seed)
    refinement = (RefinementVectors if refined else NoRefinement)(torch.randn(5, 3))
    return LabelClassifier(AttentionFusion(3, 2 + refined), refinement, positive_rate=positive_rate).eval()


class Scores(nn.Module):
    """From views to scores in one call."""

    def __init__(self, classifier):
        super().__init__()
        self.classifier = classifier

    def forward(self, points, views):
        vectors = self.classifier.vectors(of_rows(views), IDS.to(points.device))
        return self.classifier(points, vectors, make_shortlist().to(points.device))


def of_rows(views):
    return tuple(view[IDS] for view in views)


def make_shortlist():
    positions = torch.tensor([[0, 2, -1], [1, -1, 0], [-1, -1, -1]])
    return Shortlist(torch.tensor([0, 2, 4]), positions, torch.zeros(3, 3))


def random_scores(seed=0):
    """Draw scores with padding, their dense target and the same as pairs."""
    generator = torch.Generator().manual_seed(seed)
    scores = 10 * torch.randn(6, 7, generator=generator)
    padding = torch.rand(6, 7, generator=generator) < 0.3
    target = ((torch.rand(6, 7, generator=generator) < 0.3) & ~padding).float()
    return scores, padding, target


@pytest.mark.parametrize("refined", [False, True])
def test_vectors_fuse_views_and_refinement(refined):
    classifier, views = make_classifier(refined=refined), torch.randn(2, 5, 3).unbind()
    expected = classifier.fusion((*views, *classifier.refinement()))
    torch.testing.assert_close(classifier.vectors(views), expected)
    torch.testing.assert_close(classifier.vectors(of_rows(views), IDS), expected[IDS])


def test_full_scores_as_inner_products():
    classifier, points, vectors = make_classifier(), torch.randn(4, 3), torch.randn(5, 3)
    expected = torch.zeros(4, 5)
    for row, point in enumerate(points):
        for label, vector in enumerate(vectors):
            expected[row, label] = point @ vector + classifier.bias.item()
    torch.testing.assert_close(classifier(points, vectors), expected)


def test_shortlist_scores_are_the_full_scores_at_its_labels():
    classifier, points, vectors = make_classifier(), torch.randn(3, 3), torch.randn(5, 3)
    full, shortlist = classifier(points, vectors), make_shortlist()
    found = classifier(points, vectors[shortlist.label_ids], shortlist)
    labels = shortlist.label_ids[shortlist.positions.clamp(min=0)]
    expected = full.gather(1, labels).masked_fill(shortlist.positions < 0, -math.inf)
    torch.testing.assert_close(found, expected)
    assert found[2].tolist() == [-math.inf] * 3


def test_shortlist_of_nothing():
    empty = Shortlist(
        torch.zeros(0, dtype=torch.int64), torch.zeros(3, 0, dtype=torch.int64), torch.zeros(3, 0)
    )
    assert make_classifier()(torch.randn(3, 3), torch.zeros(0, 3), empty).shape == (3, 0)


@pytest.mark.parametrize("rate", [0.001, 0.5, 0.9])
def test_bias_starts_at_the_log_odds(rate):
    classifier = make_classifier(positive_rate=rate)
    scores = classifier(torch.zeros(1, 3), torch.randn(5, 3))
    torch.testing.assert_close(scores.sigmoid(), torch.full((1, 5), rate))
    assert classifier.bias.requires_grad


@pytest.mark.parametrize("rate", [0, 1, -0.1, 1.5, float("nan")])
def test_positive_rate_out_of_range(rate):
    with pytest.raises(ValueError, match=rf"positive_rate must lie in \(0, 1\), got {rate}"):
        make_classifier(positive_rate=float(rate))


@pytest.mark.parametrize("seed", range(5))
def test_loss_and_gradient_as_torch_has_them(seed):
    scores, _, target = random_scores(seed)
    one, two = scores.clone().requires_grad_(), scores.clone().requires_grad_()
    found = binary_loss(one, target.nonzero())
    expected = binary_cross_entropy_with_logits(two, target, reduction="sum") / len(scores)
    torch.testing.assert_close(found, expected)
    found.backward()
    expected.backward()
    torch.testing.assert_close(one.grad, two.grad)


@pytest.mark.parametrize("block", [1, 1 << 17])
def test_gradient_of_the_loss(block, monkeypatch):
    monkeypatch.setattr(row_blocks, "_BLOCK", block)
    scores, _, target = random_scores()
    positives = torch.cat([target.nonzero(), target.nonzero()[:2]])  # some count twice
    assert gradcheck(lambda scores: binary_loss(scores, positives), scores.double().requires_grad_())


@pytest.mark.parametrize("seed", range(5))
def test_loss_and_gradient_ignore_padding(seed):
    scores, padding, target = random_scores(seed)
    one, two = scores.clone().requires_grad_(), scores.clone().requires_grad_()
    found = binary_loss(one.masked_fill(padding, -math.inf), target.nonzero())
    weight = (~padding).float()
    expected = binary_cross_entropy_with_logits(two, target, weight, reduction="sum") / len(scores)
    torch.testing.assert_close(found, expected)
    found.backward()
    expected.backward()
    torch.testing.assert_close(one.grad, two.grad)
    assert one.grad.isfinite().all()


def test_gradient_through_a_padded_shortlist_is_finite():
    classifier, points, vectors = make_classifier(), torch.randn(3, 3), torch.randn(3, 3, requires_grad=True)
    scores = classifier(points, vectors, make_shortlist())
    binary_loss(scores, torch.tensor([[0, 1], [1, 2]])).backward()
    assert vectors.grad.isfinite().all()
    assert classifier.bias.grad.isfinite()
    assert (vectors.grad.abs().sum(dim=1) > 0).all()


def test_loss_without_positives_or_scores():
    none = torch.zeros(0, 2, dtype=torch.int64)
    assert binary_loss(torch.zeros(2, 3), none).item() == pytest.approx(3 * math.log(2))
    assert binary_loss(torch.zeros(2, 0), none) == 0


def test_loss_of_large_scores():
    scores = torch.tensor([[1e4, -1e4]])
    assert binary_loss(scores, torch.tensor([[0, 0]])) == 0
    assert binary_loss(scores, torch.tensor([[0, 1]])) == 2e4


@pytest.mark.parametrize("refined", [False, True])
def test_survives_copies(assert_survives, refined):
    one = Scores(make_classifier(refined=refined))
    two = Scores(make_classifier(1, positive_rate=0.7, refined=refined))
    assert_survives(one, two, torch.randn(3, 3), torch.randn(2, 5, 3).unbind())
