"""Cells of a sweep that run out of memory or diverge: the sweep lists each with its error and continues."""

import math
import re
import sys

from tests.cli.conftest import PLUGIN, SMALL, Console
from xcgraph.saved_runs.replay import replay

LARGE = 10**12  # 4 TB for the embedding of one token


def test_failed_cells_are_listed_and_other_cells_finish(tmp_path, monkeypatch):
    dims, rates = f"encoder.dim=16,{LARGE}", "stages.surrogate.lr=0.01,1e30"
    status, _, errors = Console(tmp_path).run("xcgraph-train", "-m", *SMALL, dims, rates)

    assert status == 1
    assert "Traceback" not in errors
    assert re.search("4 cells in .*, 3 of them failed:", errors)
    lines = [line for line in errors.splitlines() if line.startswith("  ")]
    assert f"{LARGE}" not in lines[0]
    assert "stages.surrogate.lr=0.01) validation P@1" in lines[0]
    too_large = [line for line in lines if f"Out of memory (the program asked for {4 * LARGE} bytes" in line]
    assert len(too_large) == 2
    assert "lower stages.*.batch_size" in too_large[0]
    diverged = [line for line in lines if "surrogate diverged: expected a finite loss in step" in line]
    assert len(diverged) == 1

    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(PLUGIN)
    found = replay(tmp_path / "runs" / "sweeps" / diverged[0].split()[0], trust=["toy_data"])
    sys.modules.pop("toy_data")
    assert found.name == "surrogate"
    assert not math.isfinite(found.loss().item())
    assert (found.bad.epoch, found.bad.step) == (1, 2)
