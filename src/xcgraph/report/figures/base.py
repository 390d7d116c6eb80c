"""What figures have in common: readable on a phone and without colour, and equal for equal runs."""

import io
import re
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle, islice
from typing import NamedTuple, TypeAlias

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from xcgraph.report.experiments import Experiment
from xcgraph.report.section import Section

# More lines or bars than this cannot be told apart.
MOST_EXPERIMENTS = 8
# Narrow: on a phone, whose screen is about as wide, letters keep their size.
WIDTH, HEIGHT = 5.0, 3.6  # inches
_LEGEND_LETTERS = 64  # fit into a line
_LEGEND_LINE, _FREE_LINES = 0.16, 3  # what a line takes in inches; so many are there without growing

# Okabe and Ito's colours, which all kinds of eyes tell apart; grey for their yellow, too pale for a line.
_COLOURS = ("#000000", "#E69F00", "#0072B2", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#7F7F7F")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
_LINES: tuple[str | tuple[int, tuple[int, ...]], ...] = (
    "-",
    "--",
    "-.",
    ":",
    (0, (6, 1, 1, 1, 1, 1)),
    (0, (8, 3)),
    (0, (1, 3)),
    (0, (3, 1, 1, 1)),
)
# Dots and circles are long in SVG: a dense pattern of them is most of a page.
_HATCHES = ("", "////", "..", "xxxx", "\\\\\\\\", "++", "----", "||||")


class NothingToShow(Exception):  # noqa: N818 - not an error
    """The runs lack what a figure needs; the message says what."""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A figure.

    Attributes:
        name: of its file, unique in a section.
        title: what it shows.
        caption: what a reader must know to read it.
        svg: the drawing, an ``<svg>`` element.
    """

    name: str
    title: str
    caption: str
    svg: str


Draw: TypeAlias = Callable[[Section], list[Picture]]


class Style(NamedTuple):
    """How one of several things is drawn."""

    color: str
    marker: str
    line: str | tuple[int, tuple[int, ...]]
    hatch: str


def styles(count: int) -> list[Style]:
    """Return a style for each of several things; any two differ in more than colour."""
    return list(islice(cycle(map(Style, _COLOURS, _MARKERS, _LINES, _HATCHES)), count))


def new_axes(title: str, *, x: str, y: str) -> tuple[Figure, Axes]:
    """Start a figure with labelled axes."""
    figure = Figure(figsize=(WIDTH, HEIGHT), layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title, fontsize=10, loc="left")
    axes.set_xlabel(x, fontsize=9)
    axes.set_ylabel(y, fontsize=9)
    axes.tick_params(labelsize=9)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="0.9", linewidth=0.6)
    axes.set_axisbelow(True)
    return figure, axes


def add_legend(figure: Figure, axes: Axes) -> None:
    """Name what is drawn below the axes, where it hides nothing; the figure grows with a long list."""
    handles, labels = axes.get_legend_handles_labels()
    columns = 1 if max(map(len, labels)) > 24 else 2
    wrapped = [textwrap.fill(label, _LEGEND_LETTERS) for label in labels]
    lines = sum(label.count("\n") + 1 for label in wrapped) / columns
    figure.set_figheight(HEIGHT + _LEGEND_LINE * max(lines - _FREE_LINES, 0))
    figure.legend(handles, wrapped, loc="outside lower left", ncols=columns, fontsize=8, frameon=False)


def to_svg(figure: Figure, name: str, title: str) -> str:
    """Draw a figure as an ``<svg>`` element that can stand in a page and says its title to screen readers."""
    text = io.StringIO()
    # Letters as outlines look alike everywhere; the salt makes equal figures equal to the byte, and ids
    # of two figures in a page differ.
    with matplotlib.rc_context({"svg.hashsalt": name, "svg.fonttype": "path"}):
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    svg = text.getvalue()
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    svg = _unique_ids(svg, name)
    escaped = title.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
    return svg.replace("<svg", f'<svg role="img" aria-label="{escaped}"', 1).strip()


def shown(section: Section) -> tuple[list[Experiment], str]:
    """Choose experiments that one figure can hold, the base first.

    Returns:
        They, and a sentence about those that are not drawn, or nothing.
    """
    ordered = sorted(section.experiments, key=lambda each: each is not section.base)
    left = len(ordered) - MOST_EXPERIMENTS
    further = "experiment is" if left == 1 else "experiments are"
    note = f" {left} further {further} not drawn." if left > 0 else ""
    return ordered[:MOST_EXPERIMENTS], note


def _unique_ids(svg: str, name: str) -> str:
    """Prefix ids: a page holds several drawings, and a browser takes the first of equal ids."""
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r'href="#', f'href="#{name}-', svg)
    return re.sub(r"url\(#", f"url(#{name}-", svg)
