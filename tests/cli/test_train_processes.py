"""Runs of several processes, as Lightning's launcher and torchrun start them."""

import json
import os
import re
import subprocess
import sys

import pytest

from .conftest import PLUGIN, SMALL

pytestmark = pytest.mark.slow

NO_DROPOUT = ("encoder.dropout=0.0", "num_threads=1", "progress=lines")
RECIPES = {
    "eclare": (*SMALL, *NO_DROPOUT, "fusion.dropout=0.0", "surrogate_fusion.dropout=0.0"),
    "ramen": ("data=toy", "experiment=ramen", "encoder.dim=16", "recipe.top_k=20", *NO_DROPOUT),
    "joint": (
        "data=toy",
        "experiment=joint",
        "encoder.dim=16",
        "recipe.top_k=20",
        "stages.joint.max_epochs=3",
        "stages.joint.batch_size=64",
        *NO_DROPOUT,
    ),
}
ALONE = ("trainer=cpu", "hydra.run.dir=alone", "paths.root=of_one")
SHARED = ("trainer=ddp", "hydra.run.dir=shared", "paths.root=of_two")


def metrics(console, folder):
    return json.loads((console.folder / folder / "metrics.json").read_text())


@pytest.mark.parametrize("recipe", RECIPES)
def test_two_processes_end_where_one_ends(recipe, console):
    small = RECIPES[recipe]
    for how in (ALONE, SHARED):
        status, output, errors = console.run("xcgraph-train", *small, *how)
        assert status == 0, errors
    assert output.count("test points") == 1  # the others are silent
    for split in ("validation", "test"):
        assert metrics(console, "shared")[split] == pytest.approx(metrics(console, "alone")[split], abs=0.02)
    names = [
        {re.sub("-[0-9a-f]{16}$", "", path.name) for path in (console.folder / root).glob("artifacts/*")}
        for root in ("of_one", "of_two")
    ]
    assert names[0] == names[1] != set()


def test_torchrun(console):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    arguments = ["-m", "xcgraph.cli.train", "--config-dir", str(PLUGIN), *RECIPES["eclare"], *SHARED]
    done = subprocess.run(
        [*command, *arguments],
        cwd=console.folder,
        env={**os.environ, "PYTHONPATH": str(PLUGIN)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("test points") == 1
    assert metrics(console, "shared")["test"]["P@1"] > 0.1


def test_mistake_ends_all_processes_with_one_sentence(console):
    status, _, errors = console.run(
        "xcgraph-train", *RECIPES["eclare"], *SHARED, "stages.ranker.batch_size=1"
    )
    assert status != 0
    assert errors.count("expected at least one point of a step for each of 2 processes") >= 1
    assert "Traceback" not in errors


def test_sweep_is_refused(console):
    status, _, errors = console.run("xcgraph-train", "-m", *RECIPES["eclare"], "trainer=ddp", "seed=0,1")
    assert status == 1
    assert "take trainer=ddp_spawn" in errors
