"""Measure seconds and peak memory of every step of a run, each step in a separate process.

    python -m benchmarks.stages --size 8k
    python -m benchmarks.stages [--until STEP] [--folder FOLDER] OVERRIDES

OVERRIDES are overrides of xcgraph-train. A size is a set of overrides that trains every stage of one tree for
one epoch. Most steps build one artifact of the recipe. The other steps write and read the data, load the
batches of an epoch, and predict. Each process loads the results of the steps before it, runs one step, and
exits. Its peak memory includes data and imports. A step runs once to warm up and then --runs times; the
median counts. If the runs would take longer than --seconds, one run counts; if the warm-up already takes
longer, the warm-up counts. The data is written and read only once.
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
    # An eighth of the points, labels and topics; labels per point, tokens and texts do not change.
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
        name: name of the artifact or of the other step.
        seconds: wall time of the runs.
        cpu_seconds: median CPU time of the runs.
        gib: peak memory of the process.
    """

    name: str
    seconds: Spread
    cpu_seconds: float
    gib: float

    def row(self) -> tuple[str, ...]:
        """Return the cells of the row."""
        spread = f"{show(self.seconds.least)} – {show(self.seconds.most)}"
        return (
            self.name,
            show(self.seconds.median),
            spread if self.seconds.count > 1 else "one run",
            show(self.cpu_seconds),
            f"{self.gib:.2f}",
        )


HEADER = ("step", "seconds", "min – max", "CPU seconds", "peak memory (GiB)")


def measure(
    overrides: Sequence[str], folder: Path, *, until: str = DONE, runs: int = 3, seconds: float = 60.0
) -> Iterator[Step]:
    """Run one step after the other, each in a separate process, and yield the measurements."""
    name = ""
    while name not in (until, DONE):
        flags = ["--child", "--folder", folder, "--runs", runs, "--seconds", seconds]
        found = run_module("benchmarks.stages", *flags, *overrides)
        name = found["step"]
        yield Step(name, Spread.of(found["seconds"]), Spread.of(found["cpu_seconds"]).median, found["gib"])


def child(overrides: Sequence[str], folder: Path, runs: int, seconds: float) -> None:
    """Run the next step in this process and print its measurements as JSON."""
    hush_libraries()
    name, took = measure_step(compose_run(overrides, folder), folder, runs, seconds)
    on_clock, computing = zip(*took, strict=True)
    say({"step": name, "seconds": on_clock, "cpu_seconds": computing, "gib": peak_memory_gib()})


def parse(arguments: Sequence[str] | None = None) -> tuple[argparse.Namespace, list[str]]:
    """Split the command line into options and overrides."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.stages",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--size", choices=SIZES, help="named set of overrides, placed before OVERRIDES")
    add("--folder", type=Path, help="folder that keeps all results (default: a temporary folder)")
    add("--until", default=DONE, help="last step to run, such as graph-surrogate (default: all steps)")
    add("--runs", type=int, default=3, help="timed runs per step (default: 3)")
    add("--seconds", type=float, default=60.0, help="time limit of the timed runs of a step (default: 60)")
    add("--child", action="store_true", help=argparse.SUPPRESS)
    options, overrides = parser.parse_known_args(arguments)
    if options.size and not options.child:
        overrides = [*SIZES[options.size], *ONE_EPOCH, *overrides]
    return options, overrides


def main() -> None:
    """Measure all steps and print a Markdown table, row by row."""
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
