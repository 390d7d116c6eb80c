"""Compare xcgraph with the reference and other libraries in one table."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from benchmarks.process import markdown, show

Found = Mapping[str, Any]


class Contest(NamedTuple):
    """Measurements on one dataset; None stands for a part that was not measured.

    Attributes:
        data: name of the dataset.
        ours: output of :mod:`benchmarks.ours`.
        reference: output of :mod:`benchmarks.reference`.
        peers: output of :mod:`benchmarks.peers`, by library.
        steps: median seconds of our steps, by name, from :mod:`benchmarks.stages`.
    """

    data: str
    ours: Found | None
    reference: Found | None
    peers: Mapping[str, Found]
    steps: Mapping[str, float]


EPOCHS = {"surrogate": "surrogate", "shortlister": "tree-0-shortlister", "ranker": "tree-0-ranker"}
HEADER = ("data", "quantity", "ours", "reference", "reference : ours", "PECOS XR-Linear", "napkinXC PLT")

Pick = Callable[[Found], Any]
# For each quantity: how to read it from our output (and from the other libraries'), and from the reference's.
QUANTITIES: dict[str, tuple[Pick, Pick]] = {
    "training, s": (lambda one: one["training"]["seconds"], lambda one: one["whole_recipe"]["seconds"]),
    "training, CPU s": (
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
    """Return the table rows of one dataset: first its epochs, then all other measured quantities.

    If our recipe was measured, rows with numbers of the reference only are omitted.
    """
    found = []
    for training, step in EPOCHS.items():
        ours = contest.steps.get(step)
        reference = _pick(contest.reference, lambda one, name=training: one["epochs"][name]["seconds"])
        found.append(_row(contest.data, f"one epoch of the {training}, s", ours, reference, ()))
    for quantity, (of_ours, of_reference) in QUANTITIES.items():
        if quantity.endswith("%") and not is_whole(contest.reference):
            reference = None  # the accuracy of a partly trained model is meaningless
        else:
            reference = _pick(contest.reference, of_reference)
        peers = [_pick(contest.peers.get(name), of_ours) for name in ("pecos", "napkinxc")]
        found.append(_row(contest.data, quantity, _pick(contest.ours, of_ours), reference, peers))
    return [row for row in found if set((row[2], *row[4:]) if contest.ours else row[2:]) != {"–"}]


def is_whole(reference: Found | None) -> bool:
    """Return whether the reference was trained for all its epochs and batches."""
    return reference is not None and reference["is_whole"]


def _pick(found: Found | None, pick: Pick) -> float | None:
    try:
        return None if found is None else float(pick(found))
    except KeyError:
        return None  # some libraries do not measure every quantity


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
    """Return the Markdown table of all datasets."""
    return markdown(HEADER, [row for contest in contests for row in rows(contest)])
