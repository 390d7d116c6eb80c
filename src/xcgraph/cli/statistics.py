"""Prints the statistics of a data set, or metrics, as tables on the terminal."""

from collections.abc import Mapping

from rich.console import Console
from rich.table import Table

from xcgraph.data.statistics import RARE, FrequencyBin, MetadataStatistics, SplitStatistics, Statistics


def print_statistics(statistics: Statistics) -> None:
    """Print the points, the labels, the labels from rare to frequent, and the graph metadata if any."""
    parts = [
        statistics.name,
        _points_table(statistics.train, statistics.test),
        _labels_table(statistics),
        "Groups of labels with the same total number of occurrences, from rare to frequent:",
        _bins_table(statistics.bins),
    ]
    if statistics.metadata:
        parts.append(_metadata_table(statistics.metadata))
    Console().print(*parts, sep="\n", highlight=False, markup=False)


def _points_table(train: SplitStatistics, test: SplitStatistics) -> Table:
    table = _table("points", "train", "test")
    table.add_row("number", f"{train.points:,}", f"{test.points:,}")
    table.add_row("labels per point", f"{train.labels_per_point:.2f}", f"{test.labels_per_point:.2f}")
    table.add_row("tokens per point", f"{train.tokens_per_point:.2f}", f"{test.tokens_per_point:.2f}")
    table.add_row("without labels", f"{train.points_without_labels:,}", f"{test.points_without_labels:,}")
    table.add_row("without tokens", f"{train.points_without_tokens:,}", f"{test.points_without_tokens:,}")
    table.add_row("filter pairs", f"{train.filter_pairs:,}", f"{test.filter_pairs:,}")
    return table


def _labels_table(statistics: Statistics) -> Table:
    table = _table("labels", "", "share")

    def add_part(name: str, number: int) -> None:
        table.add_row(name, f"{number:,}", f"{100 * number / max(statistics.labels, 1):.1f} %")

    table.add_row("number", f"{statistics.labels:,}", "")
    table.add_row("training points per label", f"{statistics.points_per_label:.2f}", "")
    add_part(f"with fewer than {RARE} training points", statistics.rare_labels)
    add_part("without training points", statistics.labels_without_points)
    table.add_row("tokens per label", f"{statistics.tokens_per_label:.2f}", "")
    add_part("without tokens", statistics.labels_without_tokens)
    table.add_row("distinct tokens of the data set", f"{statistics.tokens:,}", "")
    return table


def _bins_table(bins: tuple[FrequencyBin, ...]) -> Table:
    table = _table("group", "labels", "training points", "mean")
    for number, group in enumerate(bins, start=1):
        table.add_row(
            str(number), f"{group.labels:,}", f"{group.least:,} to {group.most:,}", f"{group.mean:.2f}"
        )
    return table


def _metadata_table(metadata: Mapping[str, MetadataStatistics]) -> Table:
    table = _table("graph metadata", "anchors", "links per training point", "per test point", "per label")
    for name, graph in metadata.items():
        links = (graph.links_per_train_point, graph.links_per_test_point, graph.links_per_label)
        table.add_row(name, f"{graph.anchors:,}", *("-" if mean is None else f"{mean:.2f}" for mean in links))
    return table


def _table(first: str, *others: str) -> Table:
    table = Table(first)
    for name in others:
        table.add_column(name, justify="right")
    return table


def print_metrics(title: str, metrics: Mapping[str, float]) -> None:
    """Print metrics named like ``P@1`` with a row per metric and a column per k, in percent."""
    names = list(dict.fromkeys(name.partition("@")[0] for name in metrics))
    ks = list(dict.fromkeys(name.partition("@")[2] for name in metrics))
    table = Table("%")
    for k in ks:
        table.add_column(f"@{k}", justify="right")
    for name in names:
        table.add_row(name, *(f"{100 * metrics[f'{name}@{k}']:.2f}" for k in ks))
    console = Console()
    console.print(title, table, sep="\n", highlight=False)
