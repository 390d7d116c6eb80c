"""Renders a report as one self-contained HTML page."""

from importlib import resources

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from xcgraph.report.figures import Picture
from xcgraph.report.report import Report


def render_html(report: Report) -> dict[str, str]:
    """Return the page by its file name."""
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["inline"] = _inline
    text = resources.files("xcgraph.report").joinpath("report.html.jinja").read_text("utf-8")
    return {"report.html": environment.from_string(text).render(report=report)}


def _inline(picture: Picture, chapter: int) -> Markup:
    """Return a figure for inclusion in the page, with ids that no figure of another chapter uses."""
    prefix = f"{picture.name}-"
    svg = picture.svg
    for before in ('id="', 'href="#', "url(#"):
        svg = svg.replace(f"{before}{prefix}", f"{before}c{chapter}-{prefix}")
    return Markup(svg)
