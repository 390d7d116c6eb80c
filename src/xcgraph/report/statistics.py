"""Means over seeds, and differences of two experiments with an interval from a seeded bootstrap."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xcgraph.metrics.per_point import PointValues

NUM_RESAMPLES = 1000
LEVEL = 0.95

_DRAWN_AT_ONCE = 16


@dataclass(frozen=True)
class Summary:
    """A metric over seeds.

    Attributes:
        mean: over runs.
        std: between runs, with n − 1; None for a single run.
        runs: how many.
    """

    mean: float
    std: float | None
    runs: int


@dataclass(frozen=True)
class Difference:
    """How much better one experiment is than another, in fractions.

    Attributes:
        value: mean of the one minus mean of the other, over common seeds.
        low: end of the bootstrap interval at ``LEVEL``.
        high: the other end.
        seeds: how many common seeds there are; of a single one, the interval knows only the spread over
            test points, nothing of that between trainings.
    """

    value: float
    low: float
    high: float
    seeds: int

    @property
    def is_clear(self) -> bool:
        """Whether the interval leaves out 0 and knows of more than one training."""
        return self.seeds > 1 and (self.low > 0 or self.high < 0)


def summarize(values: Sequence[float]) -> Summary:
    """Return mean and standard deviation of one or more runs."""
    std = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return Summary(float(np.mean(values)), std, len(values))


def paired_differences(
    ours: Mapping[int, PointValues],
    theirs: Mapping[int, PointValues],
    *,
    resamples: int = NUM_RESAMPLES,
    seed: int = 0,
) -> dict[str, Difference]:
    """Compare two experiments on the same test points, metric by metric.

    Both test points and seeds are resampled, for a reader asks of other points and of another training.
    All seeds see the same drawn points: a point that is hard is hard in each of them, and drawing points
    per seed would average that away. Of n seeds, n − 1 are drawn with replacement (Rao and Wu, JASA 1988),
    which makes the variance right, where n draws would give (n − 1)/n of it, half with two seeds. A
    single seed is not resampled. PSP and PSnDCG are recomputed as ratios of means in every resample.

    Args:
        ours: by seed, each point's values.
        theirs: the same of the experiment to compare with.
        resamples: how many.
        seed: of the draws; equal input, equal intervals.

    Returns:
        By metric; empty if there is no common seed.
    """
    common = sorted(ours.keys() & theirs.keys())
    if not common:
        return {}
    first = ours[common[0]]
    gained = np.stack([ours[each].gained - theirs[each].gained for each in common])
    by_seed = _ratio(gained.mean(axis=2), first.possible.mean(axis=1))
    drawn = _resample(gained, first.possible, resamples, np.random.default_rng(seed))
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail], axis=0)
    return {
        name: Difference(float(by_seed[:, at].mean()), float(low[at]), float(high[at]), len(common))
        for at, name in enumerate(first.names)
    }


def _resample(
    gained: NDArray[np.float64], possible: NDArray[np.float64], resamples: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Draw points and seeds anew and again: (resamples, metrics) differences."""
    seeds, metrics, points = gained.shape
    columns = np.concatenate([gained.reshape(-1, points), possible]).T
    drawn = np.empty((resamples, metrics))
    for start in range(0, resamples, _DRAWN_AT_ONCE):
        rows = range(start, min(start + _DRAWN_AT_ONCE, resamples))
        times = [np.bincount(rng.integers(points, size=points), minlength=points) for _ in rows]
        means = np.stack(times).astype(np.float64) @ columns / points
        for row, mean in zip(rows, means, strict=True):
            by_seed = _ratio(mean[: seeds * metrics].reshape(seeds, metrics), mean[seeds * metrics :])
            drawn[row] = by_seed[rng.integers(seeds, size=max(seeds - 1, 1))].mean(axis=0)
    return drawn


def _ratio(gained: NDArray[np.float64], possible: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(
        gained, possible, out=np.zeros_like(gained), where=np.broadcast_to(possible > 0, gained.shape)
    )


def clear_winners(
    names: Sequence[str], points: Mapping[str, Mapping[int, PointValues]]
) -> dict[str, str | None]:
    """Return for each metric the experiment that is clearly better than every other one, or None.

    Args:
        names: of the metrics.
        points: by experiment and seed, each point's values.
    """
    means = {label: {name: _mean_of(name, by_seed) for name in names} for label, by_seed in points.items()}
    best = {name: max(means, key=lambda label: means[label][name]) for name in names} if means else {}
    winners: dict[str, str | None] = dict.fromkeys(names)
    for label in sorted(set(best.values())):
        mine = [name for name in names if best[name] == label]
        others = [
            paired_differences(points[label], by_seed) for other, by_seed in points.items() if other != label
        ]
        for name in mine:
            clear = [name in found and found[name].is_clear and found[name].low > 0 for found in others]
            winners[name] = label if clear and all(clear) else None
    return winners


def _mean_of(name: str, by_seed: Mapping[int, PointValues]) -> float:
    values = [each.metrics()[name] for each in by_seed.values()]
    return float(np.mean(values)) if values else -math.inf
