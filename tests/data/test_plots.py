"""Histograms of label frequencies: the counts behind them, and that the picture is one."""

import struct

import numpy as np
import pytest

from xcgraph.data.plots import frequency_histogram, plot_label_frequency


def test_ranges_double():
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


def test_labels_without_points_have_a_bar_of_their_own():
    assert frequency_histogram(np.array([2, 0, 0, 1])) == {"0": 2, "1": 1, "2–3": 1}


def test_every_label_is_in_one_range():
    frequency = np.random.default_rng(0).zipf(1.5, 10_000)

    histogram = frequency_histogram(frequency)

    assert sum(histogram.values()) == 10_000
    for name, count in histogram.items():
        least, _, most = name.replace(",", "").partition("–")
        assert count == ((frequency >= int(least)) & (frequency <= int(most or least))).sum()


@pytest.mark.parametrize("frequency", [[1, 1, 3, 900], [0]])
def test_the_picture_is_a_png_of_the_expected_size(frequency, tmp_path):
    path = tmp_path / "label_frequency.png"

    plot_label_frequency(np.array(frequency, np.int64), "tiny", path)

    content = path.read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", content[16:24]) == (1200, 675)


def test_the_picture_has_no_colour(tmp_path):
    image = pytest.importorskip("PIL.Image")
    path = tmp_path / "label_frequency.png"
    plot_label_frequency(np.array([1, 1, 3, 900]), "tiny", path)

    pixels = np.asarray(image.open(path).convert("RGB"), dtype=int)

    assert np.abs(np.diff(pixels, axis=2)).max() == 0
    assert len(np.unique(pixels)) > 2  # bars, edges and text, not an empty page
