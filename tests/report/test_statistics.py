import numpy as np
import pytest
from scipy.stats import ttest_1samp

from xcgraph.metrics.per_point import PointValues
from xcgraph.report.statistics import clear_winners, paired_differences, summarize


def points(values, possible=None):
    gained = np.atleast_2d(np.asarray(values, float))
    return PointValues(
        names=tuple(f"M{row}" for row in range(len(gained))),
        gained=gained,
        possible=np.ones_like(gained) if possible is None else np.atleast_2d(np.asarray(possible, float)),
    )


def noisy(mean, seeds, *, num_points=400, between=0.0, rng=None):
    rng = rng or np.random.default_rng(0)
    return {
        seed: points(mean + between * rng.normal() + rng.normal(size=num_points)) for seed in range(seeds)
    }


def test_mean_and_spread_over_seeds():
    assert summarize([0.1, 0.3]).mean == pytest.approx(0.2)
    assert summarize([0.1, 0.3]).std == pytest.approx(0.02**0.5)
    assert summarize([0.1]).std is None


def test_of_one_training_the_interval_is_that_of_the_mean_over_points():
    rng = np.random.default_rng(1)
    delta = rng.normal(0.3, 1, 2000)

    found = paired_differences({0: points(delta)}, {0: points(np.zeros(2000))}, resamples=2000)["M0"]

    half = 1.96 * delta.std() / 2000**0.5
    assert found.value == pytest.approx(delta.mean())
    assert (found.low, found.high) == pytest.approx(
        (delta.mean() - half, delta.mean() + half), abs=0.1 * half
    )
    assert not found.is_clear


@pytest.mark.parametrize("seeds", [2, 5])
def test_of_trainings_alone_the_interval_is_students(seeds):
    """Points that all gain alike leave only the spread between trainings."""
    gains = np.random.default_rng(2).normal(size=seeds)
    ours = {seed: points(np.full(50, gain)) for seed, gain in enumerate(gains)}
    theirs = {seed: points(np.zeros(50)) for seed in range(seeds)}

    found = paired_differences(ours, theirs)["M0"]

    assert (found.low, found.high) == pytest.approx(ttest_1samp(gains, 0).confidence_interval(0.95))


@pytest.mark.parametrize("between", [0.05, 0.5])  # the points decide, or the trainings do
@pytest.mark.parametrize("seeds", [2, 3])
def test_intervals_cover_the_truth_as_often_as_they_say(seeds, between):
    rng = np.random.default_rng(3)
    covered = 0
    for _ in range(200):
        harder = 0.5 * rng.normal(size=100)  # for the one than for the other, in all trainings
        trainings = [between * rng.normal() + harder + 0.5 * rng.normal(size=100) for _ in range(seeds)]
        ours = {seed: points(0.2 + gain) for seed, gain in enumerate(trainings)}
        theirs = {seed: points(np.zeros(100)) for seed in range(seeds)}
        found = paired_differences(ours, theirs, resamples=100)["M0"]
        covered += found.low <= 0.2 <= found.high

    assert covered >= (176 if seeds == 2 else 184)


def test_ratios_of_means_are_ratios_in_every_resample():
    rng = np.random.default_rng(4)
    possible = rng.random(300) + 0.5
    ours, theirs = points(0.8 * possible, possible), points(0.5 * possible, possible)

    found = paired_differences({0: ours}, {0: theirs})["M0"]

    assert (found.value, found.low, found.high) == pytest.approx((0.3, 0.3, 0.3))


def test_only_common_seeds_are_compared_and_the_same_draws_each_time():
    ours, theirs = noisy(1, 3), noisy(0, 2)

    first, second = paired_differences(ours, theirs), paired_differences(ours, theirs)

    assert first == second
    assert first["M0"].seeds == 2
    assert paired_differences(ours, {7: theirs[0]}) == {}


def test_a_winner_beats_every_other_clearly():
    rng = np.random.default_rng(5)
    far = {"a": noisy(1, 3, rng=rng), "b": noisy(0, 3, rng=rng), "c": noisy(0.1, 3, rng=rng)}
    near = {"a": noisy(0.5, 3, rng=rng), "b": noisy(0.5, 3, rng=rng)}

    assert clear_winners(["M0"], far) == {"M0": "a"}
    assert clear_winners(["M0"], near) == {"M0": None}
    assert clear_winners(["M0"], {"a": far["a"]}) == {"M0": None}
    assert clear_winners(["M0"], {name: {0: seeds[0]} for name, seeds in far.items()}) == {"M0": None}
    assert clear_winners(["M0"], {"a": far["a"], "b": {}}) == {"M0": None}
