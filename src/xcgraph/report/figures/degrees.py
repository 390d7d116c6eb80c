"""Figure: number of neighbours of labels, before and after pruning of the label correlation graph."""

import numpy as np
from matplotlib.ticker import StrMethodFormatter
from numpy.typing import NDArray
from scipy.sparse import csr_array

from xcgraph.report.figures.base import NothingToShow, Picture, add_legend, new_axes, styles, to_svg
from xcgraph.report.section import Section
from xcgraph.runs.folder import RunFolder

# Number of label pairs of a point, summed over points. YᵀY takes one second for this many.
_MAX_PAIRS = 50_000_000
_STAGES = {
    "graph-surrogate": "graph of Module I: only the strongest edges",
    "graph": "graph of Modules II–IV: also without edges between dissimilar texts",
}


def draw_degrees(section: Section) -> list[Picture]:
    """Return a picture of the share of labels with at least n neighbours, for the base or the first graph.

    Raises:
        NothingToShow: no run has a label graph with edges.
    """
    ordered = sorted(section.experiments, key=lambda each: each is not section.base)
    runs = [each.runs[0] for each in ordered]
    run = next((run for run in runs if _graph_degrees(run)), None)
    if run is None:
        raise NothingToShow("no run has a label graph with edges.")
    curves = _graph_degrees(run)
    if section.data is not None and _count_pairs(section.data.train.labels) <= _MAX_PAIRS:
        together = neighbours(_cooccurrence(section.data.train.labels))
        curves = {"unpruned co-occurrence: labels that share a training point": together, **curves}
    title = f"{run.name}: neighbours in the label graph"
    figure, axes = new_axes(title, x="number of neighbours n", y="labels with at least n neighbours, percent")
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
        f"Seed {run.seed}. A label is not its own neighbour. Random walks also connect labels that share no "
        f"training point. Labels without neighbours: {isolated}."
    )
    return [Picture(name="degrees", title=title, caption=caption, svg=to_svg(figure, "degrees", title))]


def neighbours(graph: csr_array) -> NDArray[np.int64]:
    """Count the other labels in each row of a (labels, labels) graph."""
    rows = np.repeat(np.arange(graph.shape[0]), np.diff(graph.indptr))
    others = rows[(graph.indices != rows) & (graph.data != 0)]
    return np.bincount(others, minlength=graph.shape[0])


def survival(degrees: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the degrees 1, 2, … and the share of labels that have at least that many neighbours."""
    counts = np.bincount(degrees, minlength=2)
    at_least = counts[::-1].cumsum()[::-1] / max(len(degrees), 1)
    return np.arange(1, len(counts)), at_least[1:]


def _graph_degrees(run: RunFolder) -> dict[str, NDArray[np.int64]]:
    """Return the numbers of neighbours in each graph of a run; empty if no graph has an edge."""
    graphs = {name: run.matrix(stage) for stage, name in _STAGES.items()}
    degrees = {name: neighbours(graph) for name, graph in graphs.items() if graph is not None}
    return degrees if any(found.any() for found in degrees.values()) else {}


def _count_pairs(labels: csr_array) -> int:
    return int((np.diff(labels.indptr).astype(np.int64) ** 2).sum())


def _cooccurrence(labels: csr_array) -> csr_array:
    return csr_array(labels.T @ labels)
