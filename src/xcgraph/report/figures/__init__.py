"""Figures of a report, in their order on the page."""

from xcgraph.report.figures.accuracy_by_time import draw_accuracy_by_time
from xcgraph.report.figures.base import Draw, NothingToShow, Picture
from xcgraph.report.figures.beam_recall import draw_beam_recall
from xcgraph.report.figures.degrees import draw_degrees
from xcgraph.report.figures.frequency import draw_frequency
from xcgraph.report.figures.sweeps import draw_sweeps

__all__ = ["DRAWINGS", "Draw", "NothingToShow", "Picture"]

DRAWINGS: dict[str, Draw] = {
    "Rare and frequent labels": draw_frequency,
    "Sweeps of one number": draw_sweeps,
    "Shortlist recall": draw_beam_recall,
    "Accuracy against training time": draw_accuracy_by_time,
    "Neighbours in the label graph": draw_degrees,
}
