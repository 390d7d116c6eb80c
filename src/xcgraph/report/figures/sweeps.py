"""Figure: metrics against a swept number of the config, such as hops, number of trees or λ."""

from matplotlib.ticker import FixedLocator, NullLocator, StrMethodFormatter

from xcgraph.report.experiments import Sweep
from xcgraph.report.figures.base import NothingToShow, Picture, add_legend, new_axes, styles, to_svg
from xcgraph.report.section import Section
from xcgraph.report.statistics import summarize

_METRICS = ("P@1", "P@5", "PSP@1", "PSP@5")
# If max / min is at least this, small values would overlap on a linear axis.
_LOGARITHMIC_FROM = 8


def draw_sweeps(section: Section) -> list[Picture]:
    """Return one picture per sweep.

    Raises:
        NothingToShow: no two experiments differ in exactly one number.
    """
    if not section.sweeps:
        raise NothingToShow("no two experiments differ in exactly one number of their config.")
    return [_draw(section, sweep, number) for number, sweep in enumerate(section.sweeps)]


def _draw(section: Section, sweep: Sweep, number: int) -> Picture:
    title = f"{sweep.name}: metrics against {sweep.key}"
    figure, axes = new_axes(title, x=sweep.key, y=f"percent on {section.split} points")
    metrics = [name for name in _METRICS if name in section.metrics]
    for metric, style in zip(metrics, styles(len(metrics)), strict=True):
        found = [summarize(each.values(metric)) for each in sweep.experiments]
        axes.errorbar(
            sweep.values,
            [100 * each.mean for each in found],
            [100 * (each.std or 0) for each in found],
            label=metric,
            color=style.color,
            marker=style.marker,
            linestyle=style.line,
            capsize=3,
            markersize=5,
        )
    low, high = min(sweep.values), max(sweep.values)
    if low > 0 and high / low >= _LOGARITHMIC_FROM:
        axes.set_xscale("log")
        axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_locator(FixedLocator(sweep.values))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.set_ylim(bottom=0)
    add_legend(figure, axes)
    runs = [len(each.runs) for each in sweep.experiments]
    name = f"sweep-{number}-{sweep.key.replace('.', '-')}"
    return Picture(
        name=name,
        title=title,
        caption=(
            f"Mean over {_range(runs)} per value; bars are one standard deviation. All other values of the "
            "config are equal."
        ),
        svg=to_svg(figure, name, title),
    )


def _range(numbers: list[int]) -> str:
    low, high = min(numbers), max(numbers)
    if low == high:
        return f"{high} seed" if high == 1 else f"{high} seeds"
    return f"{low} to {high} seeds"
