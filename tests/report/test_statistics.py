"""Statistics: means over seeds, and intervals of paired differences."""

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from xcgraph.metrics.per_point import PointValues
from xcgraph.report.statistics import clear_winners, paired_differences, summarize


def point_values(values, possible=None):
    gained = np.atleast_2d(np.asarray(values, float))
    return PointValues(
        names=tuple(f"M{row}" for row in range(len(gained))),
        gained=gained,
        possible=np.ones_like(gained) if possible is None else np.atleast_2d(np.asarray(possible, float)),
    )


def noisy(mean, seeds, *, num_points=400, between=0.0, rng=None):
    rng = rng or np.random.default_rng(0)
    return {
        seed: point_values(mean + between * rng.normal() + rng.normal(size=num_points))
        for seed in range(seeds)
    }


def test_summary_has_mean_and_standard_deviation():
    assert summarize([0.1, 0.3]).mean == pytest.approx(0.2)
    assert summarize([0.1, 0.3]).std == pytest.approx(0.02**0.5)
    assert summarize([0.1]).std is None


def test_interval_with_one_seed_is_normal_interval_over_points():
    rng = np.random.default_rng(1)
    delta = rng.normal(0.3, 1, 2000)

    ours, theirs = {0: point_values(delta)}, {0: point_values(np.zeros(2000))}
    found = paired_differences(ours, theirs, resamples=2000)["M0"]

    half = 1.96 * delta.std() / 2000**0.5
    assert found.value == pytest.approx(delta.mean())
    assert (found.low, found.high) == pytest.approx(
        (delta.mean() - half, delta.mean() + half), abs=0.1 * half
    )
    assert not found.is_clear


@pytest.mark.parametrize("seeds", [2, 5])
def test_interval_without_variation_over_points_is_students(seeds):
    """If all points gain alike, only training runs vary."""
    gains = np.random.default_rng(2).normal(size=seeds)
    ours = {seed: point_values(np.full(50, gain)) for seed, gain in enumerate(gains)}
    theirs = {seed: point_values(np.zeros(50)) for seed in range(seeds)}

    found = paired_differences(ours, theirs)["M0"]

    assert (found.low, found.high) == pytest.approx(ttest_1samp(gains, 0).confidence_interval(0.95))


@pytest.mark.parametrize("between", [0.05, 0.5])  # points dominate the variance, or training runs do
@pytest.mark.parametrize("seeds", [2, 3])
def test_intervals_cover_true_difference_at_stated_rate(seeds, between):
    rng = np.random.default_rng(3)
    covered = 0
    for _ in range(200):
        harder = 0.5 * rng.normal(size=100)  # the same points are harder in all training runs
        gains_by_seed = [between * rng.normal() + harder + 0.5 * rng.normal(size=100) for _ in range(seeds)]
        ours = {seed: point_values(0.2 + gain) for seed, gain in enumerate(gains_by_seed)}
        theirs = {seed: point_values(np.zeros(100)) for seed in range(seeds)}
        found = paired_differences(ours, theirs, resamples=100)["M0"]
        covered += found.low <= 0.2 <= found.high

    assert covered >= (176 if seeds == 2 else 184)


def test_ratio_of_means_is_computed_in_every_resample():
    rng = np.random.default_rng(4)
    possible = rng.random(300) + 0.5
    ours, theirs = point_values(0.8 * possible, possible), point_values(0.5 * possible, possible)

    found = paired_differences({0: ours}, {0: theirs})["M0"]

    assert (found.value, found.low, found.high) == pytest.approx((0.3, 0.3, 0.3))


def test_comparison_uses_common_seeds_and_is_reproducible():
    ours, theirs = noisy(1, 3), noisy(0, 2)

    first, second = paired_differences(ours, theirs), paired_differences(ours, theirs)

    assert first == second
    assert first["M0"].seeds == 2
    assert paired_differences(ours, {7: theirs[0]}) == {}


def test_winner_is_clearly_better_than_all_others():
    rng = np.random.default_rng(5)
    far = {"a": noisy(1, 3, rng=rng), "b": noisy(0, 3, rng=rng), "c": noisy(0.1, 3, rng=rng)}
    near = {"a": noisy(0.5, 3, rng=rng), "b": noisy(0.5, 3, rng=rng)}

    assert clear_winners(["M0"], far) == {"M0": "a"}
    assert clear_winners(["M0"], near) == {"M0": None}
    assert clear_winners(["M0"], {"a": far["a"]}) == {"M0": None}
    assert clear_winners(["M0"], {name: {0: seeds[0]} for name, seeds in far.items()}) == {"M0": None}
    assert clear_winners(["M0"], {"a": far["a"], "b": {}}) == {"M0": None}
