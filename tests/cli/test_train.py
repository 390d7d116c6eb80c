"""xcgraph-train from the outside: its output and files, its refusals, and how it resumes."""

import csv
import json
import re
import signal
import time

import numpy as np
import pytest
import torch
from scipy.sparse import load_npz

from .conftest import SMALL, Console


def wait_for(folder, pattern, process):
    """Wait until a file appears."""
    deadline = time.monotonic() + 120
    while not list(folder.glob(pattern)):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, f"{pattern} did not appear"
        time.sleep(0.005)


TRAININGS = {"surrogate": 2, "tree-0-shortlister": 2, "tree-0-ranker": 3}


def test_run_folder_has_metrics_predictions_config_and_curves(console):
    folder = console.train()

    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["data"] == "toy"
    assert metrics["test"]["P@1"] > 0.3  # 40 labels, two of them right: chance is 0.05
    assert load_npz(folder / "predictions.npz").shape == (80, 40)
    assert "encoder:" in (folder / "config.yaml").read_text()
    with (folder / "epochs.csv").open(newline="") as file:
        assert {line["stage"] for line in csv.DictReader(file)} == set(TRAININGS)
    for stage, epochs in TRAININGS.items():
        rows = list(csv.DictReader((folder / "stages" / stage / "curves.csv").open()))
        assert [row["epoch"] for row in rows] == [str(epoch + 1) for epoch in range(epochs)]
        assert {"train/loss", "val/P@1", "lr", "seconds"} <= set(rows[0])
        weights = torch.load(folder / "stages" / stage / "weights.ckpt", weights_only=True)
        assert "encoder.embedding.weight" in weights


def test_results_of_another_config_are_not_overwritten(console):
    same_folder = (*SMALL, "paths.root=runs", "hydra.run.dir=run")
    assert console.run("xcgraph-train", *same_folder)[0] == 0
    metrics = (console.folder / "run" / "metrics.json").read_bytes()

    status, _, errors = console.run("xcgraph-train", *same_folder, "hops=2")

    assert status == 2
    assert "run: expected a folder without results, found the results of a run with another config" in errors
    assert (console.folder / "run" / "metrics.json").read_bytes() == metrics
    assert "hops: 1" in (console.folder / "run" / "config.yaml").read_text()


def test_paths_run_names_the_run_folder(console):
    status, _, errors = console.run("xcgraph-train", *SMALL, "paths.root=runs", "paths.run=mine/first")
    assert status == 0, errors
    assert (console.folder / "mine" / "first" / "metrics.json").exists()


def test_run_json_has_the_origin_of_the_result(console):
    made, taken = (
        json.loads((console.train("hops=2", *more) / "run.json").read_text())
        for more in ((), ("logger=none",))
    )

    assert made["overrides"] == [*SMALL, "paths.root=runs", "hops=2"]
    assert made["command"].startswith("xcgraph-train --config-dir ")
    assert made["command"].endswith(" paths.root=runs hops=2")
    assert made["seeds"] == {"run": 0, "validation": 0}
    assert made["seed"] == 0
    assert {"python", "versions", "git", "machine", "num_threads", "seconds", "peak_memory_mib"} <= set(made)
    assert {*TRAININGS, "graph", "tree-0-clusters"} <= set(made["stages"])
    assert all(stage["made"] and stage["seconds"] >= 0 for stage in made["stages"].values())
    assert taken["stages"] == {name: {**cost, "made": False} for name, cost in made["stages"].items()}
    assert taken["data"] == made["data"]


def test_no_result_depends_on_tracker_and_progress(console):
    first = console.train(root="a")
    second = console.train("logger=none", "progress=quiet", root="b")

    for file in ("metrics.json", "predictions.npz"):
        assert (first / file).read_bytes() == (second / file).read_bytes()
    names = [sorted(path.name for path in console.folder.glob(f"{root}/artifacts/*")) for root in "ab"]
    assert names[0] == names[1]
    assert "epoch" not in (second / "train.log").read_text()
    assert "run: about" in (first / "train.log").read_text()
    assert not (second / "epochs.csv").exists()


def test_filtered_pairs_are_not_predicted(console):
    predictions = load_npz(console.train() / "predictions.npz").tocoo()
    rng = np.random.default_rng(1)
    own = {(point, (min(label, label ^ 1) + 2) % 40) for point, label in enumerate(rng.integers(0, 40, 80))}

    assert own.isdisjoint(zip(predictions.row.tolist(), predictions.col.tolist(), strict=True))


def test_equal_seeds_give_equal_bits(console):
    first, second = console.train(root="a"), Console(console.folder, warm=False).train(root="b")
    other = console.train("seed=1", root="c")

    for file in ("metrics.json", "predictions.npz"):
        assert (first / file).read_bytes() == (second / file).read_bytes()
    assert (first / "predictions.npz").read_bytes() != (other / "predictions.npz").read_bytes()


LONGER = [f"stages.{part}.max_epochs=8" for part in ("surrogate", "shortlister", "ranker")]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    return Console(tmp_path_factory.mktemp("undisturbed"), warm=False).train(*LONGER)


@pytest.mark.parametrize("stage", ["surrogate", "tree-0-shortlister", "tree-0-ranker"])
def test_killed_run_resumes_and_ends_with_the_same_results(console, undisturbed, stage):
    process = console.start("xcgraph-train", *SMALL, *LONGER, "paths.root=killed")
    wait_for(console.folder, f"killed/artifacts/{stage}-*.partial/last.ckpt", process)
    process.kill()
    process.communicate()
    assert not list(console.folder.glob("killed/toy/*/*/metrics.json"))
    assert not list(console.folder.glob(f"killed/artifacts/{stage}-????????????????"))

    resumed = console.train(*LONGER, root="killed")
    for file in ("metrics.json", "predictions.npz"):
        assert (resumed / file).read_bytes() == (undisturbed / file).read_bytes()
    curves = [
        [
            {name: value for name, value in row.items() if name != "seconds"}
            for row in csv.DictReader((run / "stages" / stage / "curves.csv").open())
        ]
        for run in (resumed, undisturbed)
    ]
    assert len(curves[0]) == 8
    assert curves[0] == curves[1]


def test_sweep_has_a_folder_per_cell_and_shares_artifacts(console):
    status, _, errors = console.run("xcgraph-train", "-m", *SMALL, "ranker.game_mix=0.0,0.5")

    assert status == 0, errors
    assert len(list(console.folder.glob("runs/sweeps/*/*/*/metrics.json"))) == 2
    assert len(list(console.folder.glob("runs/artifacts/tree-0-ranker-*"))) == 1


def test_interrupted_run_prints_how_to_resume(console):
    process = console.start("xcgraph-train", *SMALL, "stages.surrogate.max_epochs=500")
    wait_for(console.folder, "runs/artifacts/surrogate-*.partial/last.ckpt", process)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)

    assert process.returncode == 130
    assert "the same command goes on" in errors
    assert "Traceback" not in errors
    assert not list(console.folder.glob("runs/artifacts/surrogate-????????????????"))


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("fusion=atention", r"fusion=atention: did you mean attention\?"),
        ("graph.num_neighbour=5", r"did you mean graph\.num_neighbors\?"),
        ("recipe=joint", r"recipe joint has no num_trees .*recipe\.num_models"),
        ("+grpah.foo=1", "Unknown key grpah: did you mean graph"),
        ("data.statistics.labels=41", "expected 41 labels, found 40"),
        ("progress=loud", "progress must be one of auto, bar, lines, quiet, got loud"),
        ("--experiment=joint", "^--experiment=joint: .* write experiment=joint"),
        ("logger=wnadb", r"logger=wnadb: did you mean wandb\?"),
        ("paths.root=/dev/null/runs", r"^paths\.root=/dev/null/runs: /dev/null is not a folder"),
        ("paths.root=/proc/x", r"^paths\.root=/proc/x: cannot write in /proc"),
        ("paths.artifacts=/dev/null/store", r"^paths\.artifacts=/dev/null/store: /dev/null is not a folder"),
    ],
)
def test_mistake_is_reported_in_one_sentence(console, override, message):
    status, _, errors = console.run("xcgraph-train", *SMALL, override)

    assert status == 2
    assert re.search(message, errors), errors
    assert "Traceback" not in errors
    assert "Error executing job" not in errors
    assert not list(console.folder.glob("runs/artifacts/*"))


def test_wrong_root_of_a_sweep_is_reported_in_one_sentence(console):
    (console.folder / "file").touch()
    status, _, errors = console.run("xcgraph-train", "-m", *SMALL, "seed=0,1", "paths.root=file")
    assert status == 2
    assert errors.startswith("paths.root=file: ")
    assert len(errors.splitlines()) == 1


def test_home_folder_is_expanded_and_nothing_is_written_elsewhere(console, monkeypatch):
    home = console.folder / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    work = console.folder / "work"
    work.mkdir()
    console.folder = work
    for arguments in (("hops=2",), ("-m", "seed=0,1")):
        status, _, errors = console.run("xcgraph-train", *SMALL, *arguments, "paths.root='~/r'")
        assert status == 0, errors
    assert list(work.iterdir()) == []
    assert len(list(home.glob("r/toy/*/*/metrics.json"))) == 1
    assert len(list(home.glob("r/sweeps/*/*/*/metrics.json"))) == 2
    assert list(home.glob("r/artifacts/*"))
    config = next(home.glob("r/toy/*/*/config.yaml")).read_text("utf-8")
    assert f"artifacts: {home}/r/artifacts" in config
    assert "~" not in config

    status, _, errors = console.run("xcgraph-train", *SMALL, "paths.root=~/r", "hydra.run.dir=~/mine")
    assert status == 0, errors
    assert (home / "mine" / "metrics.json").exists()
    assert list(work.iterdir()) == []
