"""Figure: accuracy against training time."""

from matplotlib.ticker import MaxNLocator

from xcgraph.report.costs import training_seconds
from xcgraph.report.figures.base import NothingToShow, Picture, add_legend, new_axes, shown, styles, to_svg
from xcgraph.report.section import Section
from xcgraph.report.statistics import summarize

_METRICS = ("P@1", "PSP@5")
_CAPTION = (
    "Training time is the sum over all stages, also if a stage was reused. Points are means over seeds, bars "
    "are one standard deviation. Compare times only between runs on the same machine."
)


def draw_accuracy_by_time(section: Section) -> list[Picture]:
    """Return one picture per metric, with one point per experiment.

    Raises:
        NothingToShow: no experiment has training times for all of its runs.
    """
    experiments, note = shown(section)
    seconds = {each.label: [training_seconds(run) for run in each.runs] for each in experiments}
    timed = [each for each in experiments if all(seconds[each.label])]
    if not timed:
        raise NothingToShow("no experiment has recorded training times for all of its runs.")
    pictures = []
    for metric in _METRICS:
        if metric not in section.metrics:
            continue
        title = f"{metric} against training time"
        figure, axes = new_axes(
            title, x="training time (s)", y=f"{metric} on {section.split} points, percent"
        )
        for each, style in zip(timed, styles(len(timed)), strict=True):
            time, value = summarize(seconds[each.label]), summarize(each.values(metric))
            axes.errorbar(
                time.mean,
                100 * value.mean,
                xerr=time.std or 0,
                yerr=100 * (value.std or 0),
                label=each.label,
                color=style.color,
                marker=style.marker,
                linestyle="none",
                capsize=3,
                markersize=7,
            )
        axes.set_xlim(left=0)
        axes.xaxis.set_major_locator(MaxNLocator(6))
        axes.margins(y=0.12)
        axes.set_ylim(bottom=0)
        add_legend(figure, axes)
        name = f"time-{metric.replace('@', '-')}".lower()
        pictures.append(
            Picture(name=name, title=title, caption=f"{_CAPTION}{note}", svg=to_svg(figure, name, title))
        )
    return pictures
