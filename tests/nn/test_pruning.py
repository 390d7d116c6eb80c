import pytest

from xcgraph.errors import UserError
from xcgraph.nn.pruning import NoPruning, ScheduledPruning


@pytest.mark.parametrize(
    ("warmup_epochs", "every_epochs", "expected"),
    [(10, 5, [10, 15, 20]), (0, 7, [0, 7, 14, 21]), (3, 1, list(range(3, 24))), (30, 5, [])],
)
def test_pruning_epochs_follow_the_schedule(warmup_epochs, every_epochs, expected):
    pruning = ScheduledPruning(warmup_epochs=warmup_epochs, every_epochs=every_epochs, min_similarity=0.2)
    thresholds = [pruning.threshold(epoch) for epoch in range(24)]
    assert [epoch for epoch, threshold in enumerate(thresholds) if threshold == 0.2] == expected
    assert thresholds.count(None) == 24 - len(expected)


def test_no_pruning_has_no_threshold():
    assert [NoPruning().threshold(epoch) for epoch in range(20)] == [None] * 20


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"warmup_epochs": -1}, r"pruning\.warmup_epochs must be ≥ 0, got -1"),
        ({"every_epochs": 0}, r"pruning\.every_epochs must be ≥ 1, got 0"),
        ({"min_similarity": 1.5}, r"pruning\.min_similarity must lie in \[-1, 1\], got 1\.5"),
    ],
)
def test_values_outside_their_range_are_refused(change, message):
    with pytest.raises(UserError, match=message):
        ScheduledPruning(**change)
