"""Statistics of a data set: the numbers of the published tables, and a plot of label frequencies."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from xcgraph.data.metadata import GraphMetadata
from xcgraph.data.xc_data import Split, XCData
from xcgraph.storage.atomic_files import atomic_write

# The papers call a label rare if it has fewer training points.
RARE = 5

_CHUNK_ENTRIES = 1 << 22
_GREY, _DARK = "0.75", "0.15"


@dataclass(frozen=True, kw_only=True)
class SplitStatistics:
    """Statistics of one split; means are over all points of the split.

    Attributes:
        points: number of points.
        labels_per_point: mean number of labels.
        tokens_per_point: mean number of distinct tokens.
        points_without_labels: number of points without a label.
        points_without_tokens: number of points without features.
        filter_pairs: number of (point, label) pairs that evaluation ignores.
    """

    points: int
    labels_per_point: float
    tokens_per_point: float
    points_without_labels: int
    points_without_tokens: int
    filter_pairs: int


@dataclass(frozen=True, kw_only=True)
class FrequencyBin:
    """A group of labels with similar frequencies.

    Attributes:
        labels: number of labels.
        least: number of training points of the rarest label.
        most: number of training points of the most frequent label.
        mean: mean number of training points per label.
    """

    labels: int
    least: int
    most: int
    mean: float


@dataclass(frozen=True, kw_only=True)
class MetadataStatistics:
    """Statistics of one set of anchors; means are over all points or all labels.

    Attributes:
        anchors: number of anchors.
        links_per_train_point: mean number of links.
        links_per_test_point: mean number of links, or None if test points have no links.
        links_per_label: mean number of links, or None if labels have no links.
    """

    anchors: int
    links_per_train_point: float
    links_per_test_point: float | None
    links_per_label: float | None


@dataclass(frozen=True, kw_only=True)
class Statistics:
    """Statistics of a data set; label frequencies are counted in the training points.

    Attributes:
        name: name of the data set.
        labels: number of labels.
        tokens: size of the vocabulary.
        points_per_label: mean number of training points of a label.
        tokens_per_label: mean number of distinct tokens in a label's text.
        rare_labels: number of labels with fewer than ``RARE`` training points.
        labels_without_points: number of labels without a training point; ``rare_labels`` includes them.
        labels_without_tokens: number of labels whose text has no token.
        train: statistics of the training points.
        test: statistics of the test points.
        bins: groups of labels of equal volume, from rare to frequent.
        metadata: statistics of the graph metadata, by name.
    """

    name: str
    labels: int
    tokens: int
    points_per_label: float
    tokens_per_label: float
    rare_labels: int
    labels_without_points: int
    labels_without_tokens: int
    train: SplitStatistics
    test: SplitStatistics
    bins: tuple[FrequencyBin, ...]
    metadata: dict[str, MetadataStatistics]


def describe_data(data: XCData, num_bins: int = 5) -> Statistics:
    """Return the statistics of a data set.

    The matrices are read in chunks, so that memory-mapped matrices stay on disk.

    Args:
        data: the data set.
        num_bins: number of label groups of equal volume.
    """
    frequency = label_frequency(data.train.labels)
    text = np.diff(data.label_features.indptr)
    return Statistics(
        name=data.name,
        labels=data.num_labels,
        tokens=data.num_tokens,
        points_per_label=_mean(frequency),
        tokens_per_label=_mean(text),
        rare_labels=int((frequency < RARE).sum()),
        labels_without_points=int((frequency == 0).sum()),
        labels_without_tokens=int((text == 0).sum()),
        train=_describe_split(data.train),
        test=_describe_split(data.test),
        bins=tuple(_describe_bins(frequency, num_bins)),
        metadata={name: _describe_metadata(graph) for name, graph in data.metadata.items()},
    )


def label_frequency(labels: csr_array) -> NDArray[np.int64]:
    """Return the number of points of each label, one per column of a (points, labels) matrix."""
    counts = np.zeros(labels.shape[1], np.int64)
    for start in range(0, labels.nnz, _CHUNK_ENTRIES):
        counts += np.bincount(labels.indices[start : start + _CHUNK_ENTRIES], minlength=labels.shape[1])
    return counts


def equal_volume_bins(frequency: NDArray[np.int64], num_bins: int) -> NDArray[np.int64]:
    """Divide labels, from rare to frequent, into groups of about equal total frequency (DECAF Fig. 4).

    Line up the occurrences of all labels, sorted by frequency and then by label id. A label belongs to the
    group that contains the middle of its own occurrences. If a label has more occurrences than a group's
    share, other groups become smaller or empty.

    Args:
        frequency: (labels,) number of training points.
        num_bins: number of groups.

    Returns:
        (labels,) group of each label; group 0 has the rarest labels.
    """
    order = np.argsort(frequency, kind="stable")
    ends = np.cumsum(frequency[order])
    total = max(int(ends[-1]), 1) if len(ends) else 1
    # Twice the middle is always an integer.
    doubled_middles = 2 * ends - frequency[order]
    bins = np.empty(len(frequency), np.int64)
    bins[order] = np.minimum(num_bins * doubled_middles // (2 * total), num_bins - 1)
    return bins


def frequency_histogram(frequency: NDArray[np.int64]) -> dict[str, int]:
    """Count labels by number of training points, in the ranges 0, 1, 2–3, 4–7 and so on.

    Args:
        frequency: (labels,) number of training points.

    Returns:
        Number of labels per range, from the range of the rarest label to the range of the most frequent one.
    """
    # The exponent of frexp is the number of binary digits: 0 for 0, 1 for 1, 2 for 2 and 3.
    digits = np.frexp(frequency)[1]
    counts = np.bincount(digits, minlength=1)
    least = int(digits.min(initial=len(counts) - 1))
    return {_range_name(number): int(counts[number]) for number in range(least, len(counts))}


def plot_label_frequency(frequency: NDArray[np.int64], name: str, path: Path) -> None:
    """Plot the number of labels by number of training points into a PNG file; both axes are logarithmic.

    Args:
        frequency: (labels,) number of training points.
        name: name of the data set in the title.
        path: file to write; an existing file is replaced.
    """
    # Matplotlib takes long to import, and only this function needs it.
    from matplotlib.figure import Figure

    histogram = frequency_histogram(frequency)
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.add_subplot()
    bars = axes.bar(list(histogram), list(histogram.values()), color=_GREY, edgecolor=_DARK, width=0.85)
    axes.bar_label(bars, labels=[f"{count:,}" if count else "" for count in histogram.values()], padding=2)
    axes.set_yscale("log")
    # Starting below 1 shows a bar for a single label. The space at the top is for the number above a bar.
    axes.set_ylim(0.7, 3 * max(histogram.values(), default=1) + 1)
    axes.set_xlabel("training points of a label")
    axes.set_ylabel("labels")
    axes.set_title(f"{name}: labels by number of training points")
    axes.spines[["top", "right"]].set_visible(False)
    if len(histogram) > 8:  # many tick labels would overlap
        axes.tick_params(axis="x", labelrotation=30)
    with atomic_write(path) as file:
        figure.savefig(file, dpi=150, format="png")


def _describe_bins(frequency: NDArray[np.int64], num_bins: int) -> Iterator[FrequencyBin]:
    """Yield the statistics of each group that is not empty."""
    bins = equal_volume_bins(frequency, num_bins)
    for number in range(num_bins):
        inside = frequency[bins == number]
        if len(inside):
            yield FrequencyBin(
                labels=len(inside), least=int(inside.min()), most=int(inside.max()), mean=_mean(inside)
            )


def _describe_split(split: Split) -> SplitStatistics:
    labels, tokens = np.diff(split.labels.indptr), np.diff(split.features.indptr)
    return SplitStatistics(
        points=len(split),
        labels_per_point=_mean(labels),
        tokens_per_point=_mean(tokens),
        points_without_labels=int((labels == 0).sum()),
        points_without_tokens=int((tokens == 0).sum()),
        filter_pairs=len(split.filter_pairs),
    )


def _describe_metadata(graph: GraphMetadata) -> MetadataStatistics:
    links = {part: _mean(np.diff(matrix.indptr)) for part, matrix in graph.parts()}
    return MetadataStatistics(
        anchors=graph.num_anchors,
        links_per_train_point=links["train"],
        links_per_test_point=links.get("test"),
        links_per_label=links.get("labels"),
    )


def _mean(counts: NDArray) -> float:
    """Return the mean, or 0 without values."""
    return float(counts.mean()) if len(counts) else 0.0


def _range_name(digits: int) -> str:
    """Return the range of the numbers with this number of binary digits as text."""
    if digits < 2:
        return str(digits)
    return f"{1 << (digits - 1):,}–{(1 << digits) - 1:,}"
