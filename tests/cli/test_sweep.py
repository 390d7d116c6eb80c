"""Sweeps: which cells are the same, which run again, and what a person is told of those that failed."""

import json
import os
import re
import shutil
import subprocess
import sys

import pytest
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf

from xcgraph.cli.sweep import cell_key, count_cells, finished_metrics, read_journal

from .conftest import PLUGIN, SMALL


def composed(*overrides):
    with initialize_config_module("xcgraph.conf", version_base="1.3"):
        return compose("train", [*overrides, "paths.run=here"])


# --- cells ----------------------------------------------------------------------------------------------


def test_cell_is_known_by_its_config_whatever_the_way_to_write_it():
    key = cell_key(composed("fusion=mean", "seed=1"))
    assert key == cell_key(composed("seed=1", "fusion=mean", "hops=1", "paths.root=elsewhere"))
    assert key == cell_key(composed("fusion=mean", "seed=1", "logger=wandb", "progress=quiet"))
    assert re.fullmatch("[0-9a-f]{16}", key)


@pytest.mark.parametrize(
    "override", ["seed=1", "fusion=mean", "stages.ranker.lr=0.01", "data=lf_wordnet_40k", "experiment=decaf"]
)
def test_cell_is_another_with_another_value(override):
    assert cell_key(composed(override)) != cell_key(composed())


def test_finished_is_what_has_metrics_of_the_same_config(tmp_path):
    config, metrics = composed(), {"test": {"P@1": 0.5}}
    assert finished_metrics(tmp_path, config) is None
    OmegaConf.save(config, tmp_path / "config.yaml", resolve=True)
    assert finished_metrics(tmp_path, config) is None
    (tmp_path / "metrics.json").write_text(json.dumps(metrics))
    assert finished_metrics(tmp_path, config) == metrics
    assert finished_metrics(tmp_path, composed("paths.root=elsewhere")) == metrics
    assert finished_metrics(tmp_path, composed("seed=1")) is None


def test_journal_tells_how_far_each_cell_is(tmp_path):
    """Folders are known by their newest line: a cell that ends is no longer running."""
    lines = [
        *({"cell": [f"seed={seed}"], "folder": f"{seed}"} for seed in range(4)),
        {"cell": ["seed=0"], "folder": "0", "validation P@1": 0.5},
        {"cell": ["seed=2"], "folder": "2", "error": "broken"},
    ]
    (tmp_path / "journal").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    cells = read_journal(tmp_path / "journal")
    assert [cell["folder"] for cell in cells] == ["0", "1", "2", "3"]
    assert count_cells(cells) == "1 done, 2 running, 1 failed"


def test_half_a_line_of_a_full_disk_is_no_cell(tmp_path):
    (tmp_path / "journal").write_text('{"cell": [], "folder": "0", "error": "full"}\n{"cell": ["see')
    assert [cell["folder"] for cell in read_journal(tmp_path / "journal")] == ["0"]


@pytest.mark.parametrize("config", ["data: [1,", "", "a: b: c"])
def test_half_a_config_is_of_no_finished_cell(tmp_path, config):
    (tmp_path / "config.yaml").write_text(config)
    assert finished_metrics(tmp_path, composed()) is None


# --- whole sweeps ---------------------------------------------------------------------------------------


def artifacts(console, name):
    return len(list(console.folder.glob(f"runs/artifacts/{name}-????????????????")))


def cells(errors):
    """Read the list at the end: P@1 by override, and the messages of failed cells."""
    pattern = r"^  (\S+) \((.*?)\) (?:validation P@1 |failed, see error.txt there: )(.*)$"
    found = re.findall(pattern, errors, re.MULTILINE)
    return {folder: (overrides.split()[-1], outcome) for folder, overrides, outcome in found}


def test_cell_that_fails_stops_no_other_and_what_is_done_is_not_done_again(console):
    sweep = ("xcgraph-train", "-m", *SMALL, "ranker.game_mix=0.0,2.0,0.5")
    status, output, errors = console.run(*sweep)
    assert status == 1
    assert "3 cells in" in errors
    assert "1 of them failed" in errors
    listed = cells(errors)
    scores = dict(listed.values())
    assert scores.keys() == {"ranker.game_mix=0.0", "ranker.game_mix=2.0", "ranker.game_mix=0.5"}
    assert scores["ranker.game_mix=2.0"] == "ranker.game_mix must lie in [0, 1], got 2.0."
    assert list(scores)[-1] == "ranker.game_mix=2.0"  # errors come last
    root = console.folder / "runs" / "sweeps"
    for folder, (override, _) in listed.items():
        assert (root / folder / "metrics.json").exists() == (override != "ranker.game_mix=2.0")
        assert (root / folder / "error.txt").exists() == (override == "ranker.game_mix=2.0")
    assert output.count("test points") == 2
    assert "Sweep: 2 done, 0 running, 1 failed" in output
    assert "Sweep: 0 done, 1 running, 0 failed" in output
    assert artifacts(console, "graph-surrogate") == artifacts(console, "tree-0-ranker") == 1

    written = {file: file.stat().st_mtime_ns for file in root.glob("*/*/*/metrics.json")}
    status, output, errors = console.run(*sweep[:-1], "ranker.game_mix=0.5,0.25,0.0")
    assert status == 0
    assert "3 cells in" in errors
    assert "0 of them failed" in errors
    assert len(cells(errors)) == 3
    assert dict(cells(errors).values()).items() >= {
        (override, score) for override, score in scores.items() if override != "ranker.game_mix=2.0"
    }
    after = {file: file.stat().st_mtime_ns for file in root.glob("*/*/*/metrics.json")}
    assert len(after) == 3
    assert after.items() >= written.items()
    assert output.count("Finished before") == 2


def test_sweep_that_cannot_begin_a_cell_says_so_beside_those_that_failed(console):
    sweep = ("xcgraph-train", "-m", *SMALL, "ranker.game_mix=2.0,3.0")
    console.run(*sweep)
    (folder,) = (
        error.parent
        for error in console.folder.glob("runs/sweeps/*/*/*/error.txt")
        if "got 3.0" in error.read_text("utf-8")
    )
    shutil.rmtree(folder)
    folder.touch()  # where Hydra wants a folder

    status, _, errors = console.run(*sweep)

    assert status == 2
    assert "1 of them failed" in errors
    assert "The sweep itself was stopped" in errors
    assert "Cannot write the output" in errors.splitlines()[-1]


@pytest.mark.slow
def test_cells_side_by_side_share_what_they_have_in_common(console):
    status, _, errors = console.run(
        "xcgraph-train",
        "-m",
        *SMALL,
        "fusion=attention,mean,gated",
        "hydra/launcher=joblib",
        "hydra.launcher.n_jobs=2",
    )
    assert status == 0, errors
    assert len(cells(errors)) == 3
    assert artifacts(console, "graph-surrogate") == artifacts(console, "surrogate") == 1
    assert artifacts(console, "tree-0-ranker") == 3


def run_two_cells(console, *launcher):
    """Sweep over what changes no training: two cells, one ranker."""
    changes = ("ranker.game_mix=0.0,0.5", *launcher)
    status, _, errors = console.run("xcgraph-train", "-m", *SMALL, *changes)
    assert status == 0, errors
    assert len(cells(errors)) == 2
    assert artifacts(console, "tree-0-ranker") == 1


@pytest.mark.slow
def test_cells_on_a_cluster_of_one_machine(console):
    pytest.importorskip("submitit")
    run_two_cells(console, "hydra/launcher=submitit_local", "hydra.launcher.timeout_min=10")


@pytest.mark.slow
def test_trees_that_were_trained_apart_are_taken_together(console):
    status, _, errors = console.run("xcgraph-train", "-m", *SMALL, "first_tree=0,1")
    assert status == 0, errors
    made = {path.name for path in (console.folder / "runs" / "artifacts").iterdir()}
    console.train("num_trees=2")
    assert {path.name for path in (console.folder / "runs" / "artifacts").iterdir()} == made


@pytest.mark.slow
def test_two_sweeps_that_share_a_folder_do_no_cell_twice(console):
    sweep = ("xcgraph-train", "-m", *SMALL, "seed=0,1,2", "stages.ranker.max_epochs=20")
    processes = [console.start(*sweep) for _ in range(2)]
    ended = [(*process.communicate(timeout=300), process.returncode) for process in processes]
    assert [status for *_, status in ended] == [0, 0], ended
    assert sum(output.count("tree-0-ranker · epoch 20/20") for output, *_ in ended) == 3
    assert len(list((console.folder / "runs" / "sweeps").glob("*/*/*/metrics.json"))) == 3
    status, output, errors = console.run(*sweep)
    assert status == 0
    assert output.count("Finished before") == 3
    assert "0 of them failed" in errors


# Takes itself for a machine, and another for dead sooner than is wise.
AS_MACHINE = """
import sys
from xcgraph.storage import locks
from xcgraph.cli.train import main
name, locks.LEASE_SECONDS = sys.argv.pop(1), 6.0
locks.machine = lambda: name
main()
"""


def start_as(machine, console, *arguments):
    return subprocess.Popen(
        [sys.executable, "-c", AS_MACHINE, machine, "--config-dir", str(PLUGIN), *arguments],
        cwd=console.folder,
        env={**os.environ, "PYTHONPATH": str(PLUGIN)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
def test_cell_of_a_machine_that_is_gone_is_taken_over_when_its_lease_is_over(console):
    sweep = ("-m", *SMALL, "seed=0,1", "stages.ranker.max_epochs=40")
    gone = start_as("gone", console, *sweep)
    assert any("tree-0-ranker · epoch 3/40" in line for line in gone.stdout)
    gone.kill()
    gone.communicate()
    assert len(list(console.folder.rglob("*.lock"))) == 2  # of the cell and of what it was training

    process = start_as("here", console, *sweep)
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    assert len(list((console.folder / "runs" / "sweeps").glob("*/*/*/metrics.json"))) == 2
    assert "elsewhere" not in errors
    assert output.count("tree-0-ranker · epoch 1/40") == 1  # of the other cell
    assert output.count("tree-0-ranker · epoch 40/40") == 2
    assert not list(console.folder.rglob("*.lock"))


RAY = ("hydra.launcher.ray.init.address=local", "+hydra.launcher.ray.init.num_cpus=2")


@pytest.mark.slow
def test_cells_over_ray(console):
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'xcgraph[ray]'")
    pytest.importorskip(
        "hydra_plugins.hydra_ray_launcher",
        reason="no launcher for Ray: pip install --no-deps hydra-ray-launcher==1.2.2",
    )
    run_two_cells(console, "hydra/launcher=ray", *RAY)


@pytest.mark.slow
def test_search_started_again_goes_on_where_it_was(console):
    def search(trials):
        status, output, errors = console.run(
            "xcgraph-train", "-m", *SMALL, "hparams_search=optuna", f"hydra.sweeper.n_trials={trials}"
        )
        assert status == 0, errors
        return output.count("Finished before"), cells(errors)

    before, first = search(2)
    again, second = search(4)
    assert (before, len(first)) == (0, 2)
    assert again == 2
    assert first.items() <= second.items()
    assert len(second) == 4
