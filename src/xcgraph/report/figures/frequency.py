"""Figure: contributions of rare and frequent labels to P@5 and PSP@5."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from xcgraph.data.batching import label_sets
from xcgraph.data.statistics import equal_volume_bins, label_frequency
from xcgraph.data.xc_data import XCData
from xcgraph.metrics.evaluate import training_inverse_propensity
from xcgraph.metrics.functional import find_hits
from xcgraph.report.experiments import Experiment
from xcgraph.report.figures.base import NothingToShow, Picture, add_legend, new_axes, shown, styles, to_svg
from xcgraph.report.section import RANKS, Measured, Section

NUM_BINS = 5


def draw_frequency(section: Section) -> list[Picture]:
    """Return pictures of P@5 and PSP@5, split into contributions of labels from rare to frequent.

    Raises:
        NothingToShow: the dataset, which has the frequencies of labels, is missing.
    """
    if section.data is None or not section.measured:
        reason = section.no_data or "no test points were measured"
        raise NothingToShow(f"it needs the dataset: {reason}.")
    data = section.data
    frequency = label_frequency(data.train.labels)
    bins = equal_volume_bins(frequency, NUM_BINS)
    experiments, note = shown(section)
    gained = {each.label: _mean_shares(section, each, data, bins) for each in experiments}
    names = _bin_names(frequency, bins)
    caption = (
        f"Labels are sorted by frequency into {NUM_BINS} groups. Each group occurs about equally often in "
        f"the training data. The bars of an experiment add up to its metric. Means over seeds.{note}"
    )
    return [
        _draw(metric, {label: found[row] for label, found in gained.items()}, names, caption)
        for row, metric in enumerate((f"P@{RANKS}", f"PSP@{RANKS}"))
    ]


def shares_by_bin(measured: Measured, data: XCData, bins: NDArray[np.int64]) -> NDArray[np.float64]:
    """Split P@5 and PSP@5 of a run into the contributions of label groups: (2, groups) fractions."""
    hits = find_hits(measured.ranking, label_sets(data.test.labels))
    labels = measured.ranking[hits]
    group = torch.from_numpy(bins)[labels].numpy()
    gains = training_inverse_propensity(data)[labels].numpy()
    points = len(data.test)
    best = measured.values.possible[measured.values.names.index(f"PSP@{RANKS}")].sum()
    precision = np.bincount(group, minlength=NUM_BINS) / (RANKS * points)
    scored = np.bincount(group, gains, minlength=NUM_BINS) / (RANKS * best) if best > 0 else precision * 0
    return np.stack([precision, scored])


def _mean_shares(
    section: Section, experiment: Experiment, data: XCData, bins: NDArray[np.int64]
) -> NDArray[np.float64]:
    runs = [section.measured[run.path] for run in experiment.runs]
    return np.asarray(np.mean([shares_by_bin(measured, data, bins) for measured in runs], axis=0))


def _draw(metric: str, shares: dict[str, NDArray[np.float64]], names: Sequence[str], caption: str) -> Picture:
    title = f"{metric} by label frequency"
    figure, axes = new_axes(
        title, x="training points per label", y=f"contribution to {metric}, percentage points"
    )
    width = 0.85 / len(shares)
    places = np.arange(len(names))
    for number, ((label, found), style) in enumerate(zip(shares.items(), styles(len(shares)), strict=True)):
        axes.bar(
            places + (number - (len(shares) - 1) / 2) * width,
            100 * found,
            width,
            label=label,
            color="white" if style.hatch else style.color,
            edgecolor=style.color,
            hatch=style.hatch,
            linewidth=0.8,
        )
    axes.set_xticks(places, names)
    add_legend(figure, axes)
    name = f"frequency-{metric.replace('@', '-')}".lower()
    return Picture(name=name, title=title, caption=caption, svg=to_svg(figure, name, title))


def _bin_names(frequency: NDArray[np.int64], bins: NDArray[np.int64]) -> list[str]:
    return [_bin_name(frequency[bins == number]) for number in range(NUM_BINS)]


def _bin_name(frequency: NDArray[np.int64]) -> str:
    if len(frequency) == 0:
        return "no labels"
    low, high = int(frequency.min()), int(frequency.max())
    ends = f"{low}" if low == high else f"{low}–{high}"
    return f"{ends}\n{len(frequency):,} labels"
