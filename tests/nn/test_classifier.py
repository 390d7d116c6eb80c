import math

import pytest
import torch
from torch import nn

from xcgraph.batch import Shortlist
from xcgraph.nn.classifier import LabelClassifier
from xcgraph.nn.fusion import AttentionFusion
from xcgraph.nn.likelihood import Logistic
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
        vectors = self.classifier.vectors(of_rows(views), self.classifier.refinement(IDS.to(points.device)))
        return self.classifier(points, vectors, make_shortlist().to(points.device))


def of_rows(views):
    return tuple(view[IDS] for view in views)


def make_shortlist():
    positions = torch.tensor([[0, 2, -1], [1, -1, 0], [-1, -1, -1]])
    return Shortlist(torch.tensor([0, 2, 4]), positions, torch.zeros(3, 3))


@pytest.mark.parametrize("refined", [False, True])
def test_vectors_fuse_views_and_refinement(refined):
    classifier, views = make_classifier(refined=refined), torch.randn(2, 5, 3).unbind()
    expected = classifier.fusion((*views, *classifier.refinement()))
    torch.testing.assert_close(classifier.vectors(views, classifier.refinement()), expected)
    torch.testing.assert_close(classifier.vectors(of_rows(views), classifier.refinement(IDS)), expected[IDS])


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


def test_gradient_through_a_padded_shortlist_is_finite():
    classifier, points, vectors = make_classifier(), torch.randn(3, 3), torch.randn(3, 3, requires_grad=True)
    scores = classifier(points, vectors, make_shortlist())
    Logistic().loss(scores, torch.tensor([[0, 1], [1, 2]])).backward()
    assert vectors.grad.isfinite().all()
    assert classifier.bias.grad.isfinite()
    assert (vectors.grad.abs().sum(dim=1) > 0).all()


@pytest.mark.parametrize("refined", [False, True])
def test_survives_copies(assert_survives, refined):
    one = Scores(make_classifier(refined=refined))
    two = Scores(make_classifier(1, positive_rate=0.7, refined=refined))
    assert_survives(one, two, torch.randn(3, 3), torch.randn(2, 5, 3).unbind())
