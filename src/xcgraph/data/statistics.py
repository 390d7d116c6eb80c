"""What a data set is like: the numbers of the published tables, and how often its labels occur."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.sparse import csr_array

from xcgraph.data.metadata import GraphMetadata
from xcgraph.data.xc_data import Split, XCData
from xcgraph.storage.atomic_files import atomic_write

# Labels with fewer training points are those that the papers call rare.
RARE = 5

_CHUNK_ENTRIES = 1 << 22


@dataclass(frozen=True, kw_only=True)
class SplitStatistics:
    """Numbers of one split; means are taken over all its points.

    Attributes:
        points: how many.
        labels_per_point: mean.
        tokens_per_point: mean number of distinct tokens.
        points_without_labels: how many carry no label.
        points_without_tokens: how many have no features.
        filter_pairs: pairs of a point and a label that must not count as predictions.
    """

    points: int
    labels_per_point: float
    tokens_per_point: float
    points_without_labels: int
    points_without_tokens: int
    filter_pairs: int


@dataclass(frozen=True, kw_only=True)
class FrequencyBin:
    """Some labels of similar frequency.

    Attributes:
        labels: how many.
        least: training points of the rarest of them.
        most: training points of the most frequent of them.
        mean: training points per label.
    """

    labels: int
    least: int
    most: int
    mean: float


@dataclass(frozen=True, kw_only=True)
class MetadataStatistics:
    """Numbers of one set of anchors; means are taken over all points, or all labels.

    Attributes:
        anchors: how many.
        links_per_train_point: mean.
        links_per_test_point: mean, or None where test points are not linked.
        links_per_label: mean, or None where labels are not linked.
    """

    anchors: int
    links_per_train_point: float
    links_per_test_point: float | None
    links_per_label: float | None


@dataclass(frozen=True, kw_only=True)
class Statistics:
    """Numbers of a data set; all frequencies of labels are those in the training points.

    Attributes:
        name: the data set's name.
        labels: how many.
        tokens: size of the vocabulary.
        points_per_label: mean number of training points.
        tokens_per_label: mean number of distinct tokens of a label's text.
        rare_labels: labels with fewer than ``RARE`` training points.
        labels_without_points: labels without a training point; they are among the rare ones.
        labels_without_tokens: labels whose text has no token.
        train: the training points.
        test: the test points.
        bins: the labels, from rare to frequent, in groups of equal volume.
        metadata: by name, the graph metadata.
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
    """Count everything; the matrices are gone through in pieces, so they may lie on disk.

    Args:
        data: the data set.
        num_bins: groups of labels of equal volume.
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
    """Count the points of each label: one number per column of a (points, labels) matrix."""
    counts = np.zeros(labels.shape[1], np.int64)
    for start in range(0, labels.nnz, _CHUNK_ENTRIES):
        counts += np.bincount(labels.indices[start : start + _CHUNK_ENTRIES], minlength=labels.shape[1])
    return counts


def equal_volume_bins(frequency: NDArray[np.int64], num_bins: int) -> NDArray[np.int64]:
    """Cut labels, from rare to frequent, into groups that occur about equally often in all (DECAF Fig. 4).

    A label belongs to the group in which the middle of its own occurrences falls; labels of equal frequency
    come in the order of their numbers. A label with more than its group's share of occurrences leaves other
    groups smaller, or empty.

    Args:
        frequency: (labels,) number of training points.
        num_bins: how many groups.

    Returns:
        (labels,) the number of each label's group; 0 holds the rarest.
    """
    order = np.argsort(frequency, kind="stable")
    ends = np.cumsum(frequency[order])
    total = max(int(ends[-1]), 1) if len(ends) else 1
    # Twice the middle, to stay with whole numbers.
    doubled_middles = 2 * ends - frequency[order]
    bins = np.empty(len(frequency), np.int64)
    bins[order] = np.minimum(num_bins * doubled_middles // (2 * total), num_bins - 1)
    return bins


def _describe_bins(frequency: NDArray[np.int64], num_bins: int) -> Iterator[FrequencyBin]:
    """Describe the groups that are not empty."""
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
    """The mean, and 0 of nothing."""
    return float(counts.mean()) if len(counts) else 0.0


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
    with atomic_write(path) as file:
        figure.savefig(file, dpi=150, format="png")


def _range_name(digits: int) -> str:
    """Name the numbers with so many binary digits."""
    if digits < 2:
        return str(digits)
    return f"{1 << (digits - 1):,}–{(1 << digits) - 1:,}"
