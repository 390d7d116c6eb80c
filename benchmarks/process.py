"""What measurements of this project share: a run from overrides, a process of its own, what surrounds it."""

import importlib
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numba
import torch
from hydra import compose, initialize_config_module

from xcgraph.cli.check import build
from xcgraph.data.xc_data import XCData
from xcgraph.recipes.workspace import Workspace
from xcgraph.runs.provenance import environment
from xcgraph.runs.run import Run
from xcgraph.storage.artifacts import ArtifactStore


def compose_run(overrides: Sequence[str], folder: Path) -> Run:
    """Build the run that these overrides of xcgraph-train describe, and take its number of threads."""
    importlib.import_module("torch._dynamo")  # seconds, which the first step of any optimizer would take
    with initialize_config_module("xcgraph.conf", version_base="1.3"):
        config = compose("train", [*overrides, f"paths.root={folder}", f"paths.run={folder / 'run'}"])
    run: Run = build(config)
    torch.set_num_threads(run.num_threads)
    numba.set_num_threads(min(run.num_threads, numba.config.NUMBA_NUM_THREADS))
    return run


def workspace(run: Run, data: XCData, store: ArtifactStore) -> Workspace:
    """Give a run's recipe what it trains on, as the run itself would."""
    held_out = {"validation_fraction": run.validation.fraction, "validation_seed": run.validation.seed}
    return Workspace.of(data, store, seed=run.seed, **held_out)


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
    say_line(json.dumps(found))


def say_line(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(text + "\n")
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
        "command": " ".join(["python", *sys.orig_argv[1:]]),
    }


def show(number: float) -> str:
    """Print three digits, or all that stand before the point."""
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"


def markdown(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Lay rows out as a Markdown table."""
    return "\n".join(map(markdown_row, [header, ["---"] * len(header), *rows]))


def markdown_row(cells: Sequence[object]) -> str:
    """Lay one row out."""
    return f"| {' | '.join(map(str, cells))} |"
