"""Pictures of a data set; they stay readable in black and white."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from xcgraph.drafts import drafted

_GREY, _DARK = "0.75", "0.15"


def frequency_histogram(frequency: NDArray[np.int64]) -> dict[str, int]:
    """Count labels by number of training points: 0, 1, 2–3, 4–7 and so on, each twice as wide as the last.

    Args:
        frequency: (labels,) number of training points.

    Returns:
        Labels per range, from the range of the rarest label up to that of the most frequent one.
    """
    # The exponent of frexp is the number of binary digits: 0 for 0, 1 for 1, 2 for 2 and 3.
    digits = np.frexp(frequency)[1]
    counts = np.bincount(digits, minlength=1)
    least = int(digits.min(initial=len(counts) - 1))
    return {_range_name(number): int(counts[number]) for number in range(least, len(counts))}


def plot_label_frequency(frequency: NDArray[np.int64], name: str, path: Path) -> None:
    """Draw how many labels have how many training points, both axes logarithmic, into a PNG file.

    Args:
        frequency: (labels,) number of training points.
        name: the data set's name, for the title.
        path: the file; an old one is replaced.
    """
    histogram = frequency_histogram(frequency)
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.add_subplot()
    bars = axes.bar(list(histogram), list(histogram.values()), color=_GREY, edgecolor=_DARK, width=0.85)
    axes.bar_label(bars, labels=[f"{count:,}" if count else "" for count in histogram.values()], padding=2)
    axes.set_yscale("log")
    # From below 1, so that a single label still has a bar, to above the highest, so that its number fits.
    axes.set_ylim(0.7, 3 * max(histogram.values(), default=1) + 1)
    axes.set_xlabel("training points of a label")
    axes.set_ylabel("labels")
    axes.set_title(f"{name}: labels by number of training points")
    axes.spines[["top", "right"]].set_visible(False)
    if len(histogram) > 8:  # else neighbours touch
        axes.tick_params(axis="x", labelrotation=30)
    with drafted(path) as file:
        figure.savefig(file, dpi=150, format="png")


def _range_name(digits: int) -> str:
    """Name the numbers with so many binary digits."""
    if digits < 2:
        return str(digits)
    return f"{1 << (digits - 1):,}–{(1 << digits) - 1:,}"
