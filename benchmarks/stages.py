"""Seconds and peak memory of every step of a run, each step in a process of its own.

    python -m benchmarks.stages --size 8k
    python -m benchmarks.stages [--until STEP] [--folder FOLDER] OVERRIDES

OVERRIDES are those of xcgraph-train; a size is a set of them that trains every stage of one tree for one
epoch. A step is one artifact of the recipe, beside writing and reading the data, cutting an epoch's batches,
and prediction. The process takes what the steps before it have left, makes the one, and ends. Its memory is
the most that it ever held, data and imports included. A step is made once to warm up and then --runs times,
of which the median counts; if the runs would take longer than --seconds, one counts, and if the warm-up
already does, that does.
Data is written and read once.
"""

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.clock import Spread, peak_memory_gib
from benchmarks.process import compose_run, markdown, markdown_row, run_module, say, say_line, show
from benchmarks.steps import DONE, measure_step
from xcgraph.cli.command import hush_libraries

STAGES = ("surrogate", "shortlister", "ranker")
ONE_EPOCH = ["num_trees=1", *(f"stages.{name}.max_epochs=1" for name in STAGES)]
_131K = [
    "data=synthetic_amazontitles_131k",
    "shortlister.labels_per_meta_label=4",
    "shortlister.beam_size=50",
    *(f"stages.{name}.batch_size=1024" for name in STAGES),
]
SIZES = {
    "8k": ["data=lf_wordnet_8k"],
    "40k": ["experiment=data_set/eclare_lf_wordnet_40k"],
    "131k": _131K,
    # An eighth of the points, labels and topics; labels per point, tokens and texts as they are.
    "131k/8": [
        *_131K,
        "data.sizes.train_points=36850",
        "data.sizes.test_points=16854",
        "data.sizes.labels=16384",
        "data.sizes.topics=128",
    ],
}


class Step(NamedTuple):
    """One row of the table.

    Attributes:
        name: of the artifact, or what else was made.
        seconds: that making it took.
        cpu_seconds: that the process was computing for it, at the median.
        gib: most memory that the process held.
    """

    name: str
    seconds: Spread
    cpu_seconds: float
    gib: float

    def row(self) -> tuple[str, ...]:
        """Return the cells."""
        spread = f"{show(self.seconds.least)} – {show(self.seconds.most)}"
        return (
            self.name,
            show(self.seconds.median),
            spread if self.seconds.count > 1 else "one run",
            show(self.cpu_seconds),
            f"{self.gib:.2f}",
        )


HEADER = ("step", "seconds", "least – most", "seconds of CPU", "peak memory (GiB)")


def measure(
    overrides: Sequence[str], folder: Path, *, until: str = DONE, runs: int = 3, seconds: float = 60.0
) -> Iterator[Step]:
    """Run step after step, each in a process of its own."""
    name = ""
    while name not in (until, DONE):
        flags = ["--child", "--folder", folder, "--runs", runs, "--seconds", seconds]
        found = run_module("benchmarks.stages", *flags, *overrides)
        name = found["step"]
        yield Step(name, Spread.of(found["seconds"]), Spread.of(found["cpu_seconds"]).median, found["gib"])


def child(overrides: Sequence[str], folder: Path, runs: int, seconds: float) -> None:
    """Be that process."""
    hush_libraries()
    name, took = measure_step(compose_run(overrides, folder), folder, runs, seconds)
    on_clock, computing = zip(*took, strict=True)
    say({"step": name, "seconds": on_clock, "cpu_seconds": computing, "gib": peak_memory_gib()})


def parse(arguments: Sequence[str] | None = None) -> tuple[argparse.Namespace, list[str]]:
    """Tell options from overrides."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.stages",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--size", choices=SIZES, help="overrides that come before the others")
    add("--folder", type=Path, help="keeps what was made; default: a temporary one")
    add("--until", default=DONE, help="the last step, such as graph-surrogate")
    add("--runs", type=int, default=3)
    add("--seconds", type=float, default=60.0, help="that a step may take, warm-up and all runs together")
    add("--child", action="store_true", help=argparse.SUPPRESS)
    options, overrides = parser.parse_known_args(arguments)
    if options.size and not options.child:
        overrides = [*SIZES[options.size], *ONE_EPOCH, *overrides]
    return options, overrides


def main() -> None:
    """Print a Markdown table, row by row."""
    options, overrides = parse()
    if options.child:
        child(overrides, options.folder, options.runs, options.seconds)
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        steps = measure(overrides, folder, until=options.until, runs=options.runs, seconds=options.seconds)
        say_line(markdown(HEADER, []))
        for step in steps:
            say_line(markdown_row(step.row()))


if __name__ == "__main__":
    main()
