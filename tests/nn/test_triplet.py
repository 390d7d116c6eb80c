import pytest
import torch

from xcgraph.errors import UserError
from xcgraph.nn.triplet import TripletLoss


def naive(scores, positives, negatives, margin, num_negatives):
    """The formula, triplet by triplet."""
    per_positive = []
    for row, drawn in enumerate(positives.tolist()):
        rivals = sorted(
            (float(s) for s, is_negative in zip(scores[row], negatives[row], strict=True) if is_negative)
        )
        hardest = rivals[::-1][:num_negatives]
        for column in drawn:
            if column >= 0:
                hinges = [max(0.0, rival - float(scores[row, column]) + margin) for rival in hardest]
                per_positive.append(sum(hinges) / min(num_negatives, scores.shape[1]))
    return sum(per_positive) / max(len(per_positive), 1)


def make_case(seed, rows=6, columns=9):
    generator = torch.Generator().manual_seed(seed)
    scores = torch.rand(rows, columns, generator=generator) * 2 - 1
    positives = torch.stack([torch.randperm(columns, generator=generator)[:2] for _ in range(rows)])
    negatives = torch.rand(rows, columns, generator=generator) < 0.7
    negatives.scatter_(1, positives, value=False)
    positives[torch.rand(rows, 2, generator=generator) < 0.3] = -1
    return scores, positives, negatives


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("margin", "num_negatives"), [(0.3, 1), (0.3, 3), (1.0, 12), (0.0, 2)])
def test_loss_matches_naive_loop(seed, margin, num_negatives):
    case = make_case(seed)
    found = TripletLoss(margin=margin, num_negatives=num_negatives)(*case)
    assert float(found) == pytest.approx(naive(*case, margin, num_negatives), rel=1e-5, abs=1e-7)


def test_gradient_reaches_the_positive_and_its_hardest_negatives_only():
    scores = torch.tensor([[0.5, 0.4, 0.1, 0.45, 0.3]], requires_grad=True)
    negatives = torch.tensor([[False, True, True, False, True]])  # the fourth is true of the row too
    TripletLoss(margin=0.3, num_negatives=2)(scores, torch.tensor([[0, -1]]), negatives).backward()
    assert scores.grad.tolist() == [[-1, 0.5, 0, 0, 0.5]]


def test_triplets_beyond_the_margin_have_no_loss():
    scores = torch.tensor([[0.9, 0.59, -1.0]])
    loss = TripletLoss(margin=0.3)(scores, torch.tensor([[0]]), torch.tensor([[False, True, True]]))
    assert float(loss) == 0


@pytest.mark.parametrize("shape", [(0, 0), (3, 0), (3, 2)])
def test_no_positives_give_no_loss_but_a_gradient(shape):
    scores = torch.zeros(shape, requires_grad=True)
    loss = TripletLoss()(scores, torch.full((shape[0], 2), -1), torch.ones(shape, dtype=torch.bool))
    loss.backward()
    assert float(loss) == 0
    assert not scores.grad.any()


def test_rows_without_negatives_have_no_loss():
    loss = TripletLoss()(
        torch.zeros(2, 3), torch.zeros(2, 1, dtype=torch.int64), torch.zeros(2, 3, dtype=torch.bool)
    )
    assert float(loss) == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"margin": -0.1}, r"triplets\.margin must lie in \[0, 2\].*got -0\.1"),
        ({"margin": float("nan")}, r"triplets\.margin must lie in \[0, 2\].*got nan"),
        ({"num_positives": 0}, r"triplets\.num_positives must be ≥ 1, got 0"),
        ({"num_negatives": 0}, r"triplets\.num_negatives must be ≥ 1, got 0"),
    ],
)
def test_values_outside_their_range_are_refused(change, message):
    with pytest.raises(UserError, match=message):
        TripletLoss(**change)
