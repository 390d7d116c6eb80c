"""What all measurements share: a run from overrides, a process of its own, memory, medians, the machine."""

import json
import logging
import subprocess
import sys
import time
import warnings
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numba
import torch
from hydra import compose, initialize_config_module

from xcgraph.cli.check import build
from xcgraph.pipeline.provenance import environment
from xcgraph.pipeline.run import Run


class Took(NamedTuple):
    """Time that something took.

    Attributes:
        seconds: on the clock.
        cpu_seconds: that this process was computing, all its threads together. Other programs on the machine
            change it less than they change the clock's.
    """

    seconds: float
    cpu_seconds: float

    @classmethod
    def now(cls) -> "Took":
        """Read both clocks."""
        return cls(time.perf_counter(), time.process_time())

    def since(self, start: "Took") -> "Took":
        """Return what has gone by."""
        return Took(self.seconds - start.seconds, self.cpu_seconds - start.cpu_seconds)

    def times(self, factor: float) -> "Took":
        """Return what so many times as much would take."""
        return Took(self.seconds * factor, self.cpu_seconds * factor)

    def __str__(self) -> str:
        return f"{self.seconds:.1f} s ({self.cpu_seconds:.1f} s of CPU)"


class Spread(NamedTuple):
    """Several measurements of one thing.

    Attributes:
        median: of all.
        least: the smallest; what disturbs a measurement adds to it.
        most: the largest.
        count: how many there were.
    """

    median: float
    least: float
    most: float
    count: int

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Sum up."""
        return cls(median(values), min(values), max(values), len(values))


def compose_run(overrides: Sequence[str], folder: Path) -> Run:
    """Build the run that these overrides of xcgraph-train describe, and take its number of threads."""
    with initialize_config_module("xcgraph.conf", version_base="1.3"):
        config = compose("train", [*overrides, f"paths.root={folder}", f"paths.run={folder / 'run'}"])
    run: Run = build(config, "train")
    torch.set_num_threads(run.num_threads)
    numba.set_num_threads(run.num_threads)
    return run


def be_quiet() -> None:
    """Keep Lightning's notices out of the tables."""
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", module=r"pytorch_lightning|lightning_fabric|torch|torch_geometric")


def peak_memory_gib() -> float:
    """Tell the most memory that this process has held, in GiB: Linux only.

    ``ru_maxrss`` of a process starts at what its parent held when it was made; VmHWM does not.
    """
    status = Path("/proc/self/status").read_text("utf-8")
    return int(status.partition("VmHWM:")[2].split()[0]) / 2**20


def run_module(module: str, *arguments: object) -> dict[str, Any]:
    """Run a module in a process of its own, and read the JSON of its last line.

    Raises:
        CalledProcessError: it failed; what it said is on the terminal.
    """
    command = [sys.executable, "-m", module, *map(str, arguments)]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    found: dict[str, Any] = json.loads(output.splitlines()[-1])
    return found


def say(found: Mapping[str, Any]) -> None:
    """Be that process: print what was found as one line of JSON."""
    sys.stdout.write(json.dumps(found) + "\n")
    sys.stdout.flush()


def note(text: str) -> None:
    """Tell people how far it is, past the output."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def circumstances() -> dict[str, Any]:
    """Tell machine, versions, commit, date and command of what is being measured."""
    return {
        **environment(),
        "date": datetime.now().astimezone().isoformat(timespec="seconds"),
        "command": " ".join(
            ["python -m", sys.modules["__main__"].__spec__.name.removesuffix(".__main__"), *sys.argv[1:]]
        ),
    }


def markdown(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Lay rows out as a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)
