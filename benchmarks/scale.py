"""Seconds and peak memory of every step of a run at real size, each step in a process of its own.

python benchmarks/scale.py [--until STEP] [--folder FOLDER] OVERRIDES

OVERRIDES are those of xcgraph-train. A step is one artifact of the recipe, beside writing and reading the
data: the process takes what the steps before it have left from the artifact folder, makes the one, and ends.
Its memory is the largest that it ever held, data and imports included; its seconds are those of making the
artifact alone.
"""

import argparse
import json
import logging
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numba
import torch
from hydra import compose, initialize_config_module

from data_modules.synthetic import Synthetic
from xcgraph.artifacts import Artifact, ArtifactStore
from xcgraph.cli.check import build
from xcgraph.data.xc_data import XCData
from xcgraph.pipeline.run import Run
from xcgraph.pipeline.workspace import Workspace

DONE = "score-test"


class StepDone(BaseException):
    """Ends a process whose step is done; no ``except Exception`` on the way stops it."""


class OneStepStore(ArtifactStore):
    """Makes one artifact that is not there yet, and ends the process with it."""

    def make(self, name: str, inputs: Mapping[str, Any], build: Callable[[Path], None]) -> Artifact:
        """Return an artifact that is there; raise ``StepDone`` after making one that is not."""
        seconds: list[float] = []

        def timed(folder: Path) -> None:
            start = time.perf_counter()
            build(folder)
            seconds.append(time.perf_counter() - start)

        artifact = super().make(name, inputs, timed)
        if seconds:
            raise StepDone(name, seconds[0])
        return artifact


def run_step(overrides: list[str], folder: Path) -> tuple[str, float]:
    """Make whatever comes next; return its name and its seconds."""
    with initialize_config_module("xcgraph.conf", version_base="1.3"):
        config = compose("train", [*overrides, f"paths.root={folder}", f"paths.run={folder / 'run'}"])
    run: Run = build(config, "train")
    torch.set_num_threads(run.num_threads)
    numba.set_num_threads(run.num_threads)
    if isinstance(run.data, Synthetic):
        write_files(run.data)
    data = read(run, folder)
    store = OneStepStore(Path(run.artifacts))
    validation = {"validation_fraction": run.validation.fraction, "validation_seed": run.validation.seed}
    work = Workspace.of(data, store, seed=run.seed, **validation)
    model = run.recipe.fit(work)
    start = time.perf_counter()
    model.score(data.test.features)
    raise StepDone(DONE, time.perf_counter() - start)


def write_files(module: Synthetic) -> None:
    """Write the text files, as a step of its own."""
    module.files(OneStepStore(module.cache))


def read(run: Run, folder: Path) -> XCData:
    """Read the data; the first time is a step of its own, in which text becomes memory-mapped rows."""
    marker, start = folder / "read", time.perf_counter()
    data = run.data.read()
    if not marker.exists():
        _ = data.fingerprint
        marker.touch()
        raise StepDone("read", time.perf_counter() - start)
    return data


def child(overrides: list[str], folder: Path) -> None:
    """Run one step and print what it took as JSON."""
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", module=r"pytorch_lightning|lightning_fabric|torch|torch_geometric")
    try:
        run_step(overrides, folder)
    except StepDone as step:
        name, seconds = step.args
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # Linux counts in KiB
        sys.stdout.write(json.dumps({"step": name, "seconds": seconds, "gib": peak}) + "\n")


def measure(overrides: list[str], folder: Path, until: str) -> Iterator[tuple[str, float, float]]:
    """Run step after step, each in a process of its own."""
    name = ""
    while name not in (until, DONE):
        command = [sys.executable, __file__, "--child", "--folder", str(folder), *overrides]
        output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        found = json.loads(output.splitlines()[-1])
        name = found["step"]
        yield name, found["seconds"], found["gib"]


def main() -> None:
    """Print a Markdown table, row by row."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help="keeps what was made; default: a temporary one")
    parser.add_argument("--until", default=DONE, help="the last step, such as graph-surrogate")
    options, overrides = parser.parse_known_args()
    if options.child:
        child(overrides, options.folder)
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        sys.stdout.write("| step | seconds | peak memory (GiB) |\n|---|---|---|\n")
        for name, seconds, gib in measure(overrides, folder, options.until):
            sys.stdout.write(f"| {name} | {seconds:,.1f} | {gib:.2f} |\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
