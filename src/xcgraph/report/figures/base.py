"""Shared parts of all figures: readable on a phone and without colour, and reproducible to the byte."""

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

# More lines or bars are hard to distinguish.
MAX_EXPERIMENTS = 8
# About the width of a phone screen, so that letters keep their size there.
WIDTH, HEIGHT = 5.0, 3.6  # inches
_LEGEND_LETTERS = 64  # letters that fit into one line
_LEGEND_LINE, _FREE_LINES = 0.16, 3  # height of a line in inches; lines that fit without growing

# Okabe and Ito's colours, safe for colour-blind readers. Grey replaces their yellow, too pale for a line.
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
# No dense dots or circles: they take many bytes in SVG.
_HATCHES = ("", "////", "..", "xxxx", "\\\\\\\\", "++", "----", "||||")


class NothingToShow(Exception):  # noqa: N818 - not an error
    """The runs lack something that a figure needs; the message names it."""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A figure.

    Attributes:
        name: file name without suffix, unique in a section.
        title: heading of the figure.
        caption: explanation that a reader needs to understand the figure.
        svg: the figure as an ``<svg>`` element.
    """

    name: str
    title: str
    caption: str
    svg: str


Draw: TypeAlias = Callable[[Section], list[Picture]]


class Style(NamedTuple):
    """Colour, marker, line style and hatch of one series."""

    color: str
    marker: str
    line: str | tuple[int, tuple[int, ...]]
    hatch: str


def styles(count: int) -> list[Style]:
    """Return one style per series; any two differ in more than colour."""
    return list(islice(cycle(map(Style, _COLOURS, _MARKERS, _LINES, _HATCHES)), count))


def new_axes(title: str, *, x: str, y: str) -> tuple[Figure, Axes]:
    """Return a new figure and its labelled axes."""
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
    """Add a legend below the axes, where it hides nothing; a long legend makes the figure taller."""
    handles, labels = axes.get_legend_handles_labels()
    columns = 1 if max(map(len, labels)) > 24 else 2
    wrapped = [textwrap.fill(label, _LEGEND_LETTERS) for label in labels]
    lines = sum(label.count("\n") + 1 for label in wrapped) / columns
    figure.set_figheight(HEIGHT + _LEGEND_LINE * max(lines - _FREE_LINES, 0))
    figure.legend(handles, wrapped, loc="outside lower left", ncols=columns, fontsize=8, frameon=False)


def to_svg(figure: Figure, name: str, title: str) -> str:
    """Return a figure as an ``<svg>`` element for a page, with its title for screen readers."""
    text = io.StringIO()
    # Letters as outlines look the same everywhere. The salt makes the output reproducible to the byte.
    with matplotlib.rc_context({"svg.hashsalt": name, "svg.fonttype": "path"}):
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    svg = text.getvalue()
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    svg = _unique_ids(svg, name)
    escaped = title.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
    return svg.replace("<svg", f'<svg role="img" aria-label="{escaped}"', 1).strip()


def shown(section: Section) -> tuple[list[Experiment], str]:
    """Choose as many experiments as fit into one figure, the base first.

    Returns:
        The chosen experiments, and a sentence for the caption if the figure leaves some out, else ''.
    """
    ordered = sorted(section.experiments, key=lambda each: each is not section.base)
    left = len(ordered) - MAX_EXPERIMENTS
    others = "other experiment is" if left == 1 else "other experiments are"
    note = f" {left} {others} not shown." if left > 0 else ""
    return ordered[:MAX_EXPERIMENTS], note


def _unique_ids(svg: str, name: str) -> str:
    """Prefix all ids: a page holds several figures, and a browser uses the first of equal ids."""
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r'href="#', f'href="#{name}-', svg)
    return re.sub(r"url\(#", f"url(#{name}-", svg)
