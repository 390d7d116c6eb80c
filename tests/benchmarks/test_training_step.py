"""Tests of the training-step profile."""

import pytest

from benchmarks.training_step import STAGES, setting, shares, steps

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize("stage", STAGES)
def test_stage_trains_and_time_shares_sum_to_one(stage):
    found = setting(stage, 512, dim=4)
    before = [parameter.detach().clone() for parameter in found.task.parameters() if parameter.requires_grad]
    training = steps(found)

    times = shares(training, 1)

    after = [parameter for parameter in found.task.parameters() if parameter.requires_grad]
    assert all((one != two).any() for one, two in zip(before, after, strict=True))
    assert sum(times.values()) == pytest.approx(1)
    assert min(times.values()) > 0
    shortlists = {batch.shortlist is not None for batch in found.batches}
    assert shortlists == {stage == "ranker"}
