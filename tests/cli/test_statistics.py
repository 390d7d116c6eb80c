"""The tables say the numbers, and graph metadata has one where there is some."""

from dataclasses import replace

import pytest

from xcgraph.cli.statistics import print_statistics
from xcgraph.data.statistics import FrequencyBin, MetadataStatistics, SplitStatistics, Statistics

TRAIN = SplitStatistics(
    points=12_345,
    labels_per_point=2.345,
    tokens_per_point=7.891,
    points_without_labels=21,
    points_without_tokens=22,
    filter_pairs=23,
)
STATISTICS = Statistics(
    name="LF-Tiny [x]",
    labels=4_000,
    tokens=5_678,
    points_per_label=3.456,
    tokens_per_label=4.567,
    rare_labels=3_000,
    labels_without_points=31,
    labels_without_tokens=40,
    train=TRAIN,
    test=replace(TRAIN, points=999, filter_pairs=0),
    bins=(
        FrequencyBin(labels=3_900, least=1, most=9, mean=2.5),
        FrequencyBin(labels=100, least=9, most=1_234, mean=50.0),
    ),
    metadata={},
)


@pytest.fixture
def printed(monkeypatch, capsys):
    """Print, and return each row as its cells."""
    monkeypatch.setenv("COLUMNS", "120")

    def print_rows(statistics):
        print_statistics(statistics)
        lines = capsys.readouterr().out.splitlines()
        return [lines[0], *([cell.strip() for cell in line.strip("│┃").split("│")] for line in lines)]

    return print_rows


def test_rows(printed):
    name, *rows = printed(STATISTICS)

    assert name == "LF-Tiny [x]"
    for row in (
        ["number", "12,345", "999"],
        ["tokens per point", "7.89", "7.89"],
        ["filter pairs", "23", "0"],
        ["with fewer than 5 training points", "3,000", "75.0 %"],
        ["without training points", "31", "0.8 %"],
        ["without tokens", "40", "1.0 %"],
        ["1", "3,900", "1 to 9", "2.50"],
        ["2", "100", "9 to 1,234", "50.00"],
    ):
        assert row in rows
    assert not any("metadata" in row[0] for row in rows)


def test_graph_metadata(printed):
    category = MetadataStatistics(
        anchors=1_000, links_per_train_point=4.891, links_per_test_point=None, links_per_label=0.5
    )

    rows = printed(replace(STATISTICS, metadata={"category": category}))

    assert ["category", "1,000", "4.89", "-", "0.50"] in rows
