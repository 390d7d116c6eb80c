"""Tests of data set statistics against counts in plain Python and counts by hand."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array

from xcgraph.data import statistics
from xcgraph.data.metadata import GraphMetadata
from xcgraph.data.statistics import (
    FrequencyBin,
    MetadataStatistics,
    SplitStatistics,
    describe_data,
    equal_volume_bins,
    frequency_histogram,
    plot_label_frequency,
)
from xcgraph.data.xc_data import Split, XCData


def make_split(features, labels, pairs):
    return Split(
        csr_array(np.array(features, np.float32)),
        csr_array(np.array(labels, np.float32)),
        np.array(pairs, np.int64).reshape(-1, 2),
    )


TINY = XCData(
    name="tiny",
    train=make_split(
        [[0.5, 0.1, 0], [0, 0, 0], [0, 0, 2]],
        [[1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]],
        [[0, 3], [2, 1]],
    ),
    test=make_split([[1, 1, 1]], [[1, 1, 1, 0]], []),
    label_features=csr_array(np.array([[1, 0, 0], [1, 1, 0], [0, 0, 0], [0, 0, 1]], np.float32)),
    metadata={
        "category": GraphMetadata(
            train=csr_array(np.array([[1, 1], [0, 1], [0, 0]], np.float32)),
            labels=csr_array(np.array([[1, 1], [0, 1], [1, 1], [1, 0]], np.float32)),
        )
    },
)


def test_statistics_match_example_by_hand():
    found = describe_data(TINY)

    assert (found.name, found.labels, found.tokens) == ("tiny", 4, 3)
    assert found.points_per_label == 3 / 4
    assert found.tokens_per_label == 1
    assert (found.rare_labels, found.labels_without_points, found.labels_without_tokens) == (4, 2, 1)
    assert found.train == SplitStatistics(
        points=3,
        labels_per_point=1.0,
        tokens_per_point=1.0,
        points_without_labels=1,
        points_without_tokens=1,
        filter_pairs=2,
    )
    assert found.test == SplitStatistics(
        points=1,
        labels_per_point=3.0,
        tokens_per_point=3.0,
        points_without_labels=0,
        points_without_tokens=0,
        filter_pairs=0,
    )
    # There are three occurrences. The middle of label 1's occurrence is at 1/6, of label 0's two at 2/3.
    assert found.bins == (
        FrequencyBin(labels=3, least=0, most=1, mean=1 / 3),
        FrequencyBin(labels=1, least=2, most=2, mean=2.0),
    )
    assert found.metadata == {
        "category": MetadataStatistics(
            anchors=2, links_per_train_point=1.0, links_per_test_point=None, links_per_label=1.5
        )
    }


def test_label_with_five_points_is_not_rare(toy):
    data = describe_data(toy.data)
    dense = toy.data.train.labels.toarray()

    assert data.rare_labels == sum(column.sum() < 5 for column in dense.T)
    assert any(column.sum() == 5 for column in dense.T)


@pytest.mark.parametrize("chunk", [1, 7, 1 << 22])
def test_label_frequency_ignores_the_chunk_size(toy, chunk, monkeypatch):
    monkeypatch.setattr(statistics, "_CHUNK_ENTRIES", chunk)
    labels = toy.data.train.labels

    np.testing.assert_array_equal(statistics.label_frequency(labels), labels.toarray().sum(axis=0))


def bin_slowly(frequency, num_bins):
    """List each label once per occurrence, and find the part of the list that has the label's middle."""
    order = sorted(range(len(frequency)), key=lambda label: (frequency[label], label))
    # Each occurrence counts twice, so that the middle always lies between two entries.
    written = [label for label in order for _ in range(2 * frequency[label])]
    bins = dict.fromkeys(order, 0)
    for label in set(written):
        middle = written.index(label) + frequency[label]
        bins[label] = next(b for b in reversed(range(num_bins)) if middle * num_bins >= b * len(written))
    return [bins[label] for label in range(len(frequency))]


@given(st.lists(st.integers(0, 9), max_size=12), st.integers(1, 6))
def test_bins_match_a_list_of_all_occurrences(frequency, num_bins):
    assert equal_volume_bins(np.array(frequency, np.int64), num_bins).tolist() == bin_slowly(
        frequency, num_bins
    )


def test_bins_have_equal_volume_if_no_label_is_large():
    frequency = np.random.default_rng(0).zipf(2.2, 20_000).clip(max=400)

    bins = equal_volume_bins(frequency, 5)

    volumes = np.bincount(bins, weights=frequency)
    np.testing.assert_allclose(volumes, frequency.sum() / 5, atol=frequency.max())
    means = [frequency[bins == number].mean() for number in range(5)]
    assert means == sorted(means)


@pytest.mark.parametrize("frequency", [[], [0, 0, 0]])
def test_bins_accept_labels_without_points(frequency):
    assert equal_volume_bins(np.array(frequency, np.int64), 5).tolist() == [0] * len(frequency)


def test_statistics_accept_a_data_set_without_points():
    none = make_split(np.zeros((0, 3)), np.zeros((0, 4)), [])

    found = describe_data(XCData(name="none", train=none, test=none, label_features=TINY.label_features))

    assert (found.train.points, found.train.labels_per_point, found.labels_without_points) == (0, 0, 4)


def test_histogram_ranges_double():
    frequency = np.array([1, 1, 2, 3, 4, 7, 8, 1023, 1024])

    assert frequency_histogram(frequency) == {
        "1": 2,
        "2–3": 2,
        "4–7": 2,
        "8–15": 1,
        "16–31": 0,
        "32–63": 0,
        "64–127": 0,
        "128–255": 0,
        "256–511": 0,
        "512–1,023": 1,
        "1,024–2,047": 1,
    }


def test_histogram_has_a_range_for_labels_without_points():
    assert frequency_histogram(np.array([2, 0, 0, 1])) == {"0": 2, "1": 1, "2–3": 1}


def test_histogram_counts_every_label_in_its_range():
    frequency = np.random.default_rng(0).zipf(1.5, 10_000)

    histogram = frequency_histogram(frequency)

    assert sum(histogram.values()) == 10_000
    for name, count in histogram.items():
        least, _, most = name.replace(",", "").partition("–")
        assert count == ((frequency >= int(least)) & (frequency <= int(most or least))).sum()


@pytest.mark.parametrize("frequency", [[1, 1, 3, 900], [0]])
def test_plot_is_a_png_of_the_expected_size(frequency, tmp_path):
    path = tmp_path / "label_frequency.png"

    plot_label_frequency(np.array(frequency, np.int64), "tiny", path)

    content = path.read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", content[16:24]) == (1200, 675)


def test_plot_is_grey(tmp_path):
    image = pytest.importorskip("PIL.Image")
    path = tmp_path / "label_frequency.png"
    plot_label_frequency(np.array([1, 1, 3, 900]), "tiny", path)

    pixels = np.asarray(image.open(path).convert("RGB"), dtype=int)

    assert np.abs(np.diff(pixels, axis=2)).max() == 0
    assert len(np.unique(pixels)) > 2  # bars, edges and text: the page is not empty
