"""How many neighbours labels have, before and after the label correlation graph was pruned."""

import numpy as np
from matplotlib.ticker import StrMethodFormatter
from numpy.typing import NDArray
from scipy.sparse import csr_array

from xcgraph.report.figures.base import NothingToShow, Picture, add_legend, new_axes, styles, to_svg
from xcgraph.report.section import Section
from xcgraph.runs.folder import RunFolder

# Pairs of labels of a point, summed over points: YᵀY takes a second for so many.
_MOST_PAIRS = 50_000_000
_STAGES = {
    "graph-surrogate": "graph of Module I: the strongest kept",
    "graph": "graph of Modules II–IV: dissimilar texts cut too",
}


def draw_degrees(section: Section) -> list[Picture]:
    """Draw which share of labels has at least so many neighbours, of the base or else the first graph.

    Raises:
        NothingToShow: no run has a label graph with edges.
    """
    ordered = sorted(section.experiments, key=lambda each: each is not section.base)
    runs = [each.runs[0] for each in ordered]
    run = next((run for run in runs if _graph_degrees(run)), None)
    if run is None:
        raise NothingToShow("no run has a label graph with edges.")
    curves = _graph_degrees(run)
    if section.data is not None and _count_pairs(section.data.train.labels) <= _MOST_PAIRS:
        together = neighbours(_cooccurrence(section.data.train.labels))
        curves = {"labels that share a training point: no walk, nothing cut": together, **curves}
    title = f"{run.name}: neighbours in the label graph"
    figure, axes = new_axes(title, x="neighbours", y="labels with at least so many, percent")
    for (label, degrees), style in zip(curves.items(), styles(len(curves)), strict=True):
        ends, shares = survival(degrees)
        places = np.unique(np.geomspace(1, len(ends), 8).astype(np.int64)) - 1
        axes.plot(
            ends,
            100 * shares,
            label=label,
            color=style.color,
            linestyle=style.line,
            marker=style.marker,
            markersize=5,
            markevery=places.tolist(),
        )
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.set_ylim(0, 100)
    add_legend(figure, axes)
    isolated = "; ".join(
        f"{100 * float((found == 0).mean()):.1f} % ({name})" for name, found in curves.items()
    )
    caption = (
        f"Seed {run.seed}; a label itself is none of its neighbours. Walks also reach labels that share no "
        f"point with the first. Labels without any neighbour: {isolated}."
    )
    return [Picture(name="degrees", title=title, caption=caption, svg=to_svg(figure, "degrees", title))]


def neighbours(graph: csr_array) -> NDArray[np.int64]:
    """Count the other labels in each row of a (labels, labels) graph."""
    rows = np.repeat(np.arange(graph.shape[0]), np.diff(graph.indptr))
    others = rows[(graph.indices != rows) & (graph.data != 0)]
    return np.bincount(others, minlength=graph.shape[0])


def survival(degrees: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return degrees from 1 up and the share of labels that have at least as many neighbours."""
    counts = np.bincount(degrees, minlength=2)
    at_least = counts[::-1].cumsum()[::-1] / max(len(degrees), 1)
    return np.arange(1, len(counts)), at_least[1:]


def _graph_degrees(run: RunFolder) -> dict[str, NDArray[np.int64]]:
    """Count the neighbours in the graphs of a run; none if they have no edge, as without a graph."""
    graphs = {name: run.matrix(stage) for stage, name in _STAGES.items()}
    degrees = {name: neighbours(graph) for name, graph in graphs.items() if graph is not None}
    return degrees if any(found.any() for found in degrees.values()) else {}


def _count_pairs(labels: csr_array) -> int:
    return int((np.diff(labels.indptr).astype(np.int64) ** 2).sum())


def _cooccurrence(labels: csr_array) -> csr_array:
    return csr_array(labels.T @ labels)
