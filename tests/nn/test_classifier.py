import math

import pytest
import torch
from torch import nn

from xcgraph.batch import Shortlist
from xcgraph.nn.classifier import LabelClassifier
from xcgraph.nn.likelihood import Logistic


def make_classifier(positive_rate=0.1):
    return LabelClassifier(positive_rate=positive_rate)


def make_shortlist():
    positions = torch.tensor([[0, 2, -1], [1, -1, 0], [-1, -1, -1]])
    return Shortlist(torch.tensor([0, 2, 4]), positions, torch.zeros(3, 3))


def test_full_scores_match_inner_products():
    classifier, points, vectors = make_classifier(), torch.randn(4, 3), torch.randn(5, 3)
    expected = torch.zeros(4, 5)
    for row, point in enumerate(points):
        for label, vector in enumerate(vectors):
            expected[row, label] = point @ vector + classifier.bias.item()
    torch.testing.assert_close(classifier(points, vectors), expected)


def test_shortlist_scores_match_full_scores():
    classifier, points, vectors = make_classifier(), torch.randn(3, 3), torch.randn(5, 3)
    full, shortlist = classifier(points, vectors), make_shortlist()
    found = classifier(points, vectors[shortlist.label_ids], shortlist)
    labels = shortlist.label_ids[shortlist.positions.clamp(min=0)]
    expected = full.gather(1, labels).masked_fill(shortlist.positions < 0, -math.inf)
    torch.testing.assert_close(found, expected)
    assert found[2].tolist() == [-math.inf] * 3


def test_empty_shortlist_has_no_scores():
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
def test_positive_rate_outside_its_range_is_refused(rate):
    with pytest.raises(ValueError, match=rf"positive_rate must lie in \(0, 1\), got {rate}"):
        make_classifier(positive_rate=float(rate))


def test_gradient_through_padding_is_finite():
    classifier, points, vectors = make_classifier(), torch.randn(3, 3), torch.randn(3, 3, requires_grad=True)
    scores = classifier(points, vectors, make_shortlist())
    Logistic().loss(scores, torch.tensor([[0, 1], [1, 2]])).backward()
    assert vectors.grad.isfinite().all()
    assert classifier.bias.grad.isfinite()
    assert (vectors.grad.abs().sum(dim=1) > 0).all()


class ShortlistScores(nn.Module):
    """Scores a fixed shortlist, on the device of the points."""

    def __init__(self, classifier):
        super().__init__()
        self.classifier = classifier

    def forward(self, points, vectors):
        return self.classifier(points, vectors, make_shortlist().to(points.device))


def test_survives_copies(assert_survives):
    one, two = ShortlistScores(make_classifier()), ShortlistScores(make_classifier(0.7))
    assert_survives(one, two, torch.randn(3, 3), torch.randn(3, 3))
