"""Ours beside the reference and other libraries: one table of what was measured in one go."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from benchmarks.process import markdown, show

Found = Mapping[str, Any]


class Contest(NamedTuple):
    """What was measured on one data set; a part that is None was left out.

    Attributes:
        data: its name.
        ours: as :mod:`benchmarks.ours` says it.
        reference: as :mod:`benchmarks.reference` says it.
        peers: as :mod:`benchmarks.peers` says it.
        steps: by name, median seconds of our steps, as :mod:`benchmarks.stages` measures them.
    """

    data: str
    ours: Found | None
    reference: Found | None
    peers: Mapping[str, Found]
    steps: Mapping[str, float]


EPOCHS = {"surrogate": "surrogate", "shortlister": "tree-0-shortlister", "ranker": "tree-0-ranker"}
HEADER = ("data", "quantity", "ours", "reference", "reference : ours", "PECOS XR-Linear", "napkinXC PLT")

Pick = Callable[[Found], Any]
# What ours and peers call by one name; the reference's training is that of the whole recipe.
QUANTITIES: dict[str, tuple[Pick, Pick]] = {
    "training, s": (lambda one: one["training"]["seconds"], lambda one: one["whole_recipe"]["seconds"]),
    "training, s of CPU": (
        lambda one: one["training"]["cpu_seconds"],
        lambda one: one["whole_recipe"]["cpu_seconds"],
    ),
    "prediction in a batch, ms/point": (
        lambda one: one["predict_ms_per_point"]["median"],
        lambda one: one["predict_ms_per_point"]["median"],
    ),
    "single query, p50 ms": (lambda one: one["single_query"]["p50_ms"],) * 2,
    "single query, p99 ms": (lambda one: one["single_query"]["p99_ms"],) * 2,
    "peak memory, GiB": (lambda one: one["peak_gib"],) * 2,
    "P@1, %": (lambda one: 100 * one["metrics"]["P@1"],) * 2,
    "P@5, %": (lambda one: 100 * one["metrics"]["P@5"],) * 2,
    "PSP@1, %": (lambda one: 100 * one["metrics"]["PSP@1"],) * 2,
    "PSP@5, %": (lambda one: 100 * one["metrics"]["PSP@5"],) * 2,
}


def rows(contest: Contest) -> list[tuple[str, ...]]:
    """Lay out one data set: its epochs, then everything that was measured of anybody.

    Where a recipe of ours took part, what was measured of the reference alone is left out.
    """
    found = []
    for training, step in EPOCHS.items():
        ours = contest.steps.get(step)
        reference = _pick(contest.reference, lambda one, name=training: one["epochs"][name]["seconds"])
        found.append(_row(contest.data, f"one epoch of the {training}, s", ours, reference, ()))
    for quantity, (of_ours, of_reference) in QUANTITIES.items():
        if quantity.endswith("%") and not is_whole(contest.reference):
            reference = None  # an accuracy after one epoch says nothing
        else:
            reference = _pick(contest.reference, of_reference)
        peers = [_pick(contest.peers.get(name), of_ours) for name in ("pecos", "napkinxc")]
        found.append(_row(contest.data, quantity, _pick(contest.ours, of_ours), reference, peers))
    return [row for row in found if set((row[2], *row[4:]) if contest.ours else row[2:]) != {"–"}]


def is_whole(reference: Found | None) -> bool:
    """Tell whether the reference was trained to its end, and not one epoch of it."""
    return reference is not None and reference["is_whole"]


def _pick(found: Found | None, pick: Pick) -> float | None:
    try:
        return None if found is None else float(pick(found))
    except KeyError:
        return None  # not everybody measures everything


def _row(
    data: str,
    quantity: str,
    ours: float | None,
    reference: float | None,
    peers: Sequence[float | None],
) -> tuple[str, ...]:
    ratio = None if ours is None or reference is None or quantity.endswith("%") else reference / ours
    cells = [ours, reference, ratio, *(peers or (None, None))]
    return (data, quantity, *("–" if cell is None else show(cell) for cell in cells))


def table(contests: Sequence[Contest]) -> str:
    """Lay out all data sets."""
    return markdown(HEADER, [row for contest in contests for row in rows(contest)])
