"""Build runs from overrides, run benchmarks in separate processes, and format results."""

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
    """Build the run of these overrides of xcgraph-train and set its number of threads in this process."""
    importlib.import_module("torch._dynamo")  # else the first optimizer step imports it, which takes seconds
    with initialize_config_module("xcgraph.conf", version_base="1.3"):
        config = compose("train", [*overrides, f"paths.root={folder}", f"paths.run={folder / 'run'}"])
    run: Run = build(config)
    torch.set_num_threads(run.num_threads)
    numba.set_num_threads(min(run.num_threads, numba.config.NUMBA_NUM_THREADS))
    return run


def workspace(run: Run, data: XCData, store: ArtifactStore) -> Workspace:
    """Build the workspace that the run itself would pass to its recipe."""
    held_out = {"validation_fraction": run.validation.fraction, "validation_seed": run.validation.seed}
    return Workspace.of(data, store, seed=run.seed, **held_out)


def run_module(module: str, *arguments: object) -> dict[str, Any]:
    """Run a module in a separate process and return the JSON object on its last output line.

    Raises:
        CalledProcessError: the process failed; its error messages are on the terminal.
    """
    command = [sys.executable, "-m", module, *map(str, arguments)]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    found: dict[str, Any] = json.loads(output.splitlines()[-1])
    return found


def say(found: Mapping[str, Any]) -> None:
    """Print a result as one line of JSON, for :func:`run_module` to read."""
    say_line(json.dumps(found))


def say_line(text: str) -> None:
    """Print a line and flush the output."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def note(text: str) -> None:
    """Print progress to standard error."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def circumstances() -> dict[str, Any]:
    """Return machine, versions, commit, date and command of this measurement."""
    return {
        **environment(),
        "date": datetime.now().astimezone().isoformat(timespec="seconds"),
        "command": " ".join(["python", *sys.orig_argv[1:]]),
    }


def show(number: float) -> str:
    """Format a number with three significant digits, or without decimals from 100 on."""
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"


def markdown(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a Markdown table."""
    return "\n".join(map(markdown_row, [header, ["---"] * len(header), *rows]))


def markdown_row(cells: Sequence[object]) -> str:
    """Return one row of a Markdown table."""
    return f"| {' | '.join(map(str, cells))} |"
