"""Sweeps: equal cells share a folder, finished cells do not run again, and failed cells are listed."""

import json
import os
import re
import subprocess
import sys

import pytest
from hydra import compose, initialize_config_module

from xcgraph.cli.journal import count_cells, read_journal
from xcgraph.cli.sweep import cell_key

from .conftest import PLUGIN, SMALL


def composed(*overrides):
    with initialize_config_module("xcgraph.conf", version_base="1.3"):
        return compose("train", [*overrides, "paths.run=here"])


# --- cells ----------------------------------------------------------------------------------------------


def test_equal_configs_have_equal_cell_keys():
    key = cell_key(composed("fusion=mean", "seed=1"))
    assert key == cell_key(composed("seed=1", "fusion=mean", "hops=1", "paths.root=elsewhere"))
    assert key == cell_key(composed("fusion=mean", "seed=1", "logger=wandb", "progress=quiet"))
    assert re.fullmatch("[0-9a-f]{16}", key)


@pytest.mark.parametrize(
    "override", ["seed=1", "fusion=mean", "stages.ranker.lr=0.01", "data=lf_wordnet_40k", "experiment=decaf"]
)
def test_changed_value_changes_the_cell_key(override):
    assert cell_key(composed(override)) != cell_key(composed())


def test_journal_keeps_the_newest_line_of_each_cell(tmp_path):
    lines = [
        *({"cell": [f"seed={seed}"], "folder": f"{seed}"} for seed in range(4)),
        {"cell": ["seed=0"], "folder": "0", "validation P@1": 0.5},
        {"cell": ["seed=2"], "folder": "2", "error": "broken"},
    ]
    (tmp_path / "journal").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    cells = read_journal(tmp_path / "journal")
    assert [cell["folder"] for cell in cells] == ["0", "1", "2", "3"]
    assert count_cells(cells) == "1 done, 2 running, 1 failed"


def test_half_a_line_of_the_journal_is_ignored(tmp_path):
    (tmp_path / "journal").write_text('{"cell": [], "folder": "0", "error": "full"}\n{"cell": ["see')
    assert [cell["folder"] for cell in read_journal(tmp_path / "journal")] == ["0"]


# --- whole sweeps ---------------------------------------------------------------------------------------


def artifacts(console, name):
    return len(list(console.folder.glob(f"runs/artifacts/{name}-????????????????")))


def cells(errors):
    """Read the list at the end: the last override and P@1 or the error, by folder."""
    pattern = r"^  (\S+) \((.*?)\) (?:validation P@1 |failed(?:, see error.txt there)?: )(.*)$"
    found = re.findall(pattern, errors, re.MULTILINE)
    return {folder: (overrides.split()[-1], outcome) for folder, overrides, outcome in found}


def test_failed_cell_stops_no_other_and_finished_cells_do_not_run_again(console):
    sweep = ("xcgraph-train", "-m", *SMALL, "ranker.game_mix=0.0,2.0,0.5")
    status, output, errors = console.run(*sweep)
    assert status == 1
    assert "3 cells in" in errors
    assert "1 of them failed" in errors
    listed = cells(errors)
    scores = dict(listed.values())
    assert scores.keys() == {"ranker.game_mix=0.0", "ranker.game_mix=2.0", "ranker.game_mix=0.5"}
    assert scores["ranker.game_mix=2.0"] == "ranker.game_mix must lie in [0, 1], got 2.0."
    assert list(scores)[-1] == "ranker.game_mix=2.0"  # Failed cells come last.
    root = console.folder / "runs" / "sweeps"
    for folder, (override, _) in listed.items():
        assert (root / folder / "metrics.json").exists() == (override != "ranker.game_mix=2.0")
        assert (root / folder).exists() == (
            override != "ranker.game_mix=2.0"
        )  # A refused cell leaves nothing.
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


def test_sweep_that_cannot_begin_a_cell_reports_it_beside_failed_cells(console):
    sweep = ("xcgraph-train", "-m", *SMALL, "ranker.game_mix=2.0,3.0")
    listed = cells(console.run(*sweep)[2])
    (name,) = (name for name, (_, error) in listed.items() if "got 3.0" in error)
    folder = console.folder / "runs" / "sweeps" / name
    folder.parent.mkdir(parents=True)
    folder.touch()  # Hydra wants a folder there.

    status, _, errors = console.run(*sweep)

    assert status == 2
    assert "1 of them failed" in errors
    assert "The sweep itself was stopped" in errors
    assert "Cannot write the output" in errors.splitlines()[-1]


def test_sweep_with_a_value_that_one_recipe_does_not_have_starts_no_cell(console):
    status, _, errors = console.run(
        "xcgraph-train", "-m", "data=toy", "experiment=eclare,ramen", "fusion=mean"
    )
    assert status == 2
    assert errors.startswith("recipe ramen has no group fusion")
    assert "Traceback" not in errors
    assert not list(console.folder.glob("runs/sweeps/*/*/*"))


@pytest.mark.slow
def test_cells_side_by_side_share_artifacts(console):
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
    """Sweep over a value that changes no training: two cells, one ranker."""
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
def test_trees_trained_in_parallel_runs_are_collected_in_one_run(console):
    status, _, errors = console.run("xcgraph-train", "-m", *SMALL, "first_tree=0,1")
    assert status == 0, errors
    made = {path.name for path in (console.folder / "runs" / "artifacts").iterdir()}
    console.train("num_trees=2")
    assert {path.name for path in (console.folder / "runs" / "artifacts").iterdir()} == made


@pytest.mark.slow
def test_two_sweeps_in_one_folder_run_no_cell_twice(console):
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


# Pretends to be a machine, with a short lease, so that other machines soon count as lost.
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
def test_cell_of_a_lost_machine_is_taken_over_after_its_lease(console):
    sweep = ("-m", *SMALL, "seed=0,1", "stages.ranker.max_epochs=40")
    gone = start_as("gone", console, *sweep)
    assert any("tree-0-ranker · epoch 3/40" in line for line in gone.stdout)
    gone.kill()
    gone.communicate()
    assert (
        len(list(console.folder.rglob("*.lock"))) == 2
    )  # One is of the cell, one of the artifact that it was training.

    process = start_as("here", console, *sweep)
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    assert len(list((console.folder / "runs" / "sweeps").glob("*/*/*/metrics.json"))) == 2
    assert "elsewhere" not in errors
    assert output.count("tree-0-ranker · epoch 1/40") == 1  # This is the other cell.
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
def test_repeated_search_continues(console):
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
