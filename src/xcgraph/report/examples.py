"""Example tables: labels with their neighbours in the graph, and test points with two predictions."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from xcgraph.data.statistics import label_frequency
from xcgraph.data.xc_data import XCData
from xcgraph.report.section import RANKS, Section
from xcgraph.report.tables import Cell, Table
from xcgraph.runs.folder import RunFolder

NUM_LABELS, NUM_POINTS, NUM_NEIGHBOURS = 8, 8, 5
SIDE_BY_SIDE = ("eclare", "decaf")
# Longer texts do not help a reader who compares predictions.
_MAX_LETTERS = 160


def neighbour_table(section: Section) -> Table | None:
    """Return a table of labels with neighbours and view weights; None without a graph."""
    run = section.base.runs[0] if section.base else section.experiments[0].runs[0]
    graph = run.matrix("graph")
    if section.data is None or graph is None or graph.shape[0] != section.data.num_labels:
        return None
    frequency = label_frequency(section.data.train.labels)
    labels = _spread_labels(graph, frequency)
    if not labels:
        return None
    found = section.view_weights(run, labels)
    views = found.views if found else ()
    shares = found.shares if found else [()] * len(labels)
    rows = [
        (
            Cell(name_label(section.data, label)),
            Cell(f"{frequency[label]:,}", float(frequency[label])),
            *(Cell(f"{share:.2f}", float(share)) for share in weights),
            Cell("; ".join(_neighbours(section.data, graph, label))),
        )
        for label, weights in zip(labels, shares, strict=True)
    ]
    return Table(
        title="Some labels and their neighbours",
        note=(
            f"{run.name}, seed {run.seed}. The labels are spread evenly from rare to frequent, over all "
            "labels with neighbours. Brackets hold the weight of the edge in the graph Ĝ."
            + (" A view's share is its weight in the fusion of the first tree." if views else "")
        ),
        columns=("label", "training points", *(f"share of {view}" for view in views), "nearest neighbours"),
        rows=tuple(rows),
    )


def prediction_table(section: Section) -> Table | None:
    """Return a table of test points with predictions of ECLARE and DECAF; None if one of them is missing."""
    runs = [section.first_of(name) for name in SIDE_BY_SIDE]
    data = section.data
    if data is None or any(run is None or run.path not in section.measured for run in runs):
        return None
    rankings = [section.measured[run.path].ranking.numpy() for run in runs if run]
    rows = []
    for point in _spread_points(data, rankings):
        true = data.test.labels[[point]].indices
        cells = (Cell(_list_labels(data, ranking[point], true)) for ranking in rankings)
        true_names = "; ".join(name_label(data, int(label)) for label in true)
        rows.append((Cell(name_point(section, point)), Cell(true_names), *cells))
    return Table(
        title="Some test points",
        note=(
            f"Predictions of {_describe(runs)}. These are the points where the number of true labels "
            f"among the top {RANKS} differs most; half of them favour each method. ✓ marks a true label."
        ),
        columns=("text", "true labels", *SIDE_BY_SIDE),
        rows=tuple(rows),
    )


def name_label(data: XCData, label: int) -> str:
    """Return the text of a label, or its number if the dataset has no label texts."""
    return _shorten(data.label_names[label]) if data.label_names else f"label {label}"


def name_point(section: Section, point: int) -> str:
    """Return the text of a test point, else its words of highest weight, else its number."""
    if section.test_texts:
        return _shorten(section.test_texts[point])
    data = section.data
    if data is None or not data.vocabulary:
        return f"point {point}"
    row = data.test.features[[point]]
    strongest = row.indices[np.argsort(-row.data, kind="stable")][:12]
    return _shorten("words: " + " ".join(data.vocabulary[token] for token in strongest))


def _spread_labels(graph: csr_array, frequency: NDArray[np.int64]) -> list[int]:
    """Choose labels with neighbours, evenly spread from the rarest to the most frequent."""
    degrees = np.diff(graph.indptr) - (graph.diagonal() != 0)
    connected = np.flatnonzero(degrees > 0)
    ordered = connected[np.argsort(frequency[connected], kind="stable")]
    places = np.linspace(0, len(ordered) - 1, min(NUM_LABELS, len(ordered))).round().astype(np.int64)
    return [int(label) for label in ordered[places]]


def _spread_points(data: XCData, rankings: Sequence[NDArray[np.int64]]) -> list[int]:
    """Choose points where the first ranking is far better, then points where the second is."""
    true = data.test.labels.astype(bool)
    points = np.arange(len(data.test))[:, None]
    hits = [
        (np.asarray(true[points, ranking.clip(min=0)].todense()) & (ranking >= 0)).sum(axis=1)
        for ranking in rankings
    ]
    ordered = np.argsort(hits[1] - hits[0], kind="stable")
    half = NUM_POINTS // 2
    return [int(point) for point in dict.fromkeys([*ordered[:half], *ordered[len(ordered) - half :]])]


def _neighbours(data: XCData, graph: csr_array, label: int) -> list[str]:
    row = graph[[label]]
    order = [at for at in np.argsort(-row.data, kind="stable") if row.indices[at] != label][:NUM_NEIGHBOURS]
    return [f"{name_label(data, int(row.indices[at]))} ({row.data[at]:.2f})" for at in order]


def _list_labels(data: XCData, ranked: NDArray[np.int64], true: NDArray[np.int32]) -> str:
    return "; ".join(
        f"{name_label(data, int(label))}{' ✓' if label in true else ''}" for label in ranked if label >= 0
    )


def _describe(runs: Sequence[RunFolder | None]) -> str:
    return " and ".join(f"{run.name} with seed {run.seed}" for run in runs if run)


def _shorten(text: str) -> str:
    return text if len(text) <= _MAX_LETTERS else f"{text[: _MAX_LETTERS - 1]}…"
