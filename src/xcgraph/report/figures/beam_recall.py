"""Figure: recall of the shortlist against the number of meta-labels in the beam."""

import numpy as np
from matplotlib.ticker import StrMethodFormatter
from numpy.typing import NDArray
from scipy.sparse import csr_array

from xcgraph.data.holdout import hold_out_rows
from xcgraph.report.experiments import Experiment
from xcgraph.report.figures.base import NothingToShow, Picture, add_legend, new_axes, shown, styles, to_svg
from xcgraph.report.section import Section
from xcgraph.runs.folder import RunFolder

_TREE = "tree-0"


def draw_beam_recall(section: Section) -> list[Picture]:
    """Return a picture of shortlist recall on validation points against beam size, for each first tree.

    Raises:
        NothingToShow: the dataset is missing, or no run has stored its beams and label clusters.
    """
    if section.data is None:
        raise NothingToShow(f"it needs the dataset: {section.no_data}.")
    experiments, note = shown(section)
    found = {each.label: _mean_recall(each, section.data.train.labels) for each in experiments}
    curves = {label: recall for label, recall in found.items() if recall is not None}
    if not curves:
        raise NothingToShow("no run has stored beams of meta-labels.")
    title = "Shortlist recall against beam size"
    figure, axes = new_axes(title, x="beam size (meta-labels)", y="recall of the shortlist, percent")
    for (label, recall), style in zip(curves.items(), styles(len(curves)), strict=True):
        beams = np.arange(1, len(recall) + 1)
        marked = sorted({round(float(place)) for place in np.geomspace(1, len(recall), 8)})
        axes.plot(
            beams,
            100 * recall,
            label=label,
            color=style.color,
            linestyle=style.line,
            marker=style.marker,
            markersize=5,
            markevery=[place - 1 for place in marked],
        )
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.set_ylim(0, 100)
    add_legend(figure, axes)
    caption = (
        "Share of a validation point's labels that lie in the first meta-labels of its beam. It is an upper "
        f"bound on the ranker's recall. First tree of the ensemble, mean over points and seeds.{note}"
    )
    return [
        Picture(name="beam-recall", title=title, caption=caption, svg=to_svg(figure, "beam-recall", title))
    ]


def recall_by_beam(
    beams: NDArray[np.int32], assignment: NDArray[np.int32], labels: csr_array
) -> NDArray[np.float64]:
    """Return the mean share of a point's labels that lie in the first 1, 2, … meta-labels of its beam.

    Args:
        beams: (points, beam) meta-labels, best first; -1 is padding.
        assignment: (labels,) meta-label of each label.
        labels: (points, labels) true labels; points without labels do not count.
    """
    counts = np.diff(labels.indptr)
    rows = np.repeat(np.arange(len(counts)), counts)
    in_beam = beams[rows] == assignment[labels.indices][:, None]  # (true labels, beam)
    found = np.logical_or.accumulate(in_beam, axis=1) / counts[rows][:, None]
    return np.asarray(found.sum(axis=0) / max((counts > 0).sum(), 1))


def _mean_recall(experiment: Experiment, labels: csr_array) -> NDArray[np.float64] | None:
    curves = [found for run in experiment.runs if (found := _recall(run, labels)) is not None]
    if not curves:
        return None
    shortest = min(map(len, curves))
    return np.asarray(np.mean([curve[:shortest] for curve in curves], axis=0))


def _recall(run: RunFolder, labels: csr_array) -> NDArray[np.float64] | None:
    beams, clusters = run.arrays(f"{_TREE}-beams-valid"), run.arrays(f"{_TREE}-clusters")
    if beams is None or clusters is None:
        return None
    _, held = hold_out_rows(labels.shape[0], *(run.config["validation"][key] for key in ("fraction", "seed")))
    found, assignment = beams.get("meta_labels", np.empty(0)), clusters.get("assignment", np.empty(0))
    if len(found) != len(held) or len(assignment) != labels.shape[1]:
        return None
    return recall_by_beam(found, assignment, labels[held])
