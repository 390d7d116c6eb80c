"""W&B: an offline run's records, read back; and sweeps, whose cells have a run each."""

import logging
import subprocess
import sys
from pathlib import Path

import pytest
import wandb

from xcgraph.errors import UserError
from xcgraph.tracking.session import Session
from xcgraph.tracking.tracker import RunStart
from xcgraph.tracking.wandb_run import WandbTracker

from ..cli.conftest import SMALL, Console

ROWS = [{"epoch": 1.0, "lr": 0.5, "val/P@1": 0.25}, {"epoch": 2.0, "lr": 0.125, "val/P@1": 0.75}]
METRICS = {"validation": {"P@1": 0.5}, "test": {"P@1": 0.375, "PSP@5": 0.625}}


def session_in(folder, tracker=None, name="eclare hops=2"):
    (folder / "stages" / "surrogate").mkdir(parents=True)
    for file in ("config.yaml", "predictions.npz", "stages/surrogate/weights.ckpt"):
        (folder / file).write_text("content")
    start = RunStart(
        name=name,
        group="sweep-01234567",
        job_type="eclare_two_hops",
        tags=("hops=2", "data.path=" + 100 * "x"),
        config={"hops": 2, "graph": {"num_neighbors": 10}},
        folder=folder,
    )
    return Session(tracker or WandbTracker(project="mine"), start)


def follow(session):
    def execute():
        for stage in ("surrogate", "tree-0-ranker"):
            session.report(stage, ROWS)
        return METRICS

    session.follow(execute)


def test_offline_run_has_all_that_a_team_follows(tmp_path, recorded, caplog):
    with caplog.at_level(logging.INFO):
        follow(session_in(tmp_path / "run"))
    assert [record.getMessage() for record in caplog.records if "No W&B API key" in record.getMessage()]
    (found,) = recorded(tmp_path)
    head = found.run
    assert (head.display_name, head.project, head.run_group) == ("eclare hops=2", "mine", "sweep-01234567")
    assert head.job_type == "eclare_two_hops"
    assert next(iter(head.tags)) == "hops=2"
    assert max(map(len, head.tags)) == 64
    assert found.config["hops"] == 2
    assert found.config["graph"] == {"num_neighbors": 10}
    for stage in ("surrogate", "tree-0-ranker"):
        assert found.curve(f"{stage}/val/P@1") == {1: 0.25, 2: 0.75}
        assert found.steps[f"{stage}/*"] == f"{stage}/epoch"
    assert (found.summary["test/PSP@5"], found.summary["validation/P@1"]) == (0.625, 0.5)
    assert found.summary["metrics/nrows"] == 3
    assert found.artifacts["predictions"] == ["predictions.npz"]
    assert found.artifacts["model"] == ["config.yaml", "surrogate/weights.ckpt"]
    assert found.exit_codes == [0]


@pytest.mark.parametrize("error", [ValueError("broken"), KeyboardInterrupt()])
def test_run_that_fails_is_finished_and_the_next_one_has_a_run_of_its_own(tmp_path, recorded, error):
    def execute():
        raise error

    with pytest.raises(type(error)):
        session_in(tmp_path / "a").follow(execute)
    assert wandb.run is None
    (failed,) = recorded(tmp_path / "a")
    assert failed.exit_codes == [1]
    assert failed.summary["error"] == (str(error) or "KeyboardInterrupt")
    follow(session_in(tmp_path / "b", WandbTracker(artifacts=False, group="ours"), name="next"))
    (after,) = recorded(tmp_path / "b")
    assert (after.run.display_name, after.run.run_group, after.exit_codes) == ("next", "ours", [0])
    assert not {"predictions", "model"} & set(after.artifacts)


def test_mode_of_the_environment_is_respected(tmp_path, recorded, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "disabled")
    follow(session_in(tmp_path / "run"))
    assert recorded(tmp_path) == []


def test_what_wandb_refuses_is_said_in_a_sentence(tmp_path, monkeypatch):
    def refuse(**_):
        raise wandb.errors.CommError("no such host.")

    monkeypatch.setattr(wandb, "init", refuse)
    with pytest.raises(UserError, match=r"W&B: no such host\. Set WANDB_MODE=offline"):
        follow(session_in(tmp_path / "run"))


def test_who_does_not_use_wandb_does_not_import_it():
    code = "import sys, xcgraph.cli.train, xcgraph.tracking.wandb_run; sys.exit('wandb' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


BASIC = ()
JOBLIB = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2")


@pytest.mark.parametrize("launcher", [BASIC, pytest.param(JOBLIB, marks=pytest.mark.slow)])
def test_every_cell_of_a_sweep_has_a_finished_run_of_its_own(tmp_path, recorded, launcher):
    """Two cells find their data as they expect, two do not and fail; two share all of their trainings."""
    sweep = ("ranker.game_mix=0.0,0.5", "data.statistics.labels=40,41")
    status, output, errors = Console(tmp_path).run(
        "xcgraph-train", "-m", *SMALL, *sweep, "logger=wandb", "experiment=eclare", *launcher
    )
    assert status == 1, errors
    assert "4 cells in" in errors
    assert "Sweep: 2 done, 0 running, 2 failed" in output
    runs = recorded(tmp_path)
    assert sorted(run.exit_codes[0] for run in runs) == [0, 0, 1, 1]
    assert len({run.run.run_id for run in runs}) == 4
    (group,) = {run.run.run_group for run in runs}
    assert group.startswith("sweep-")
    assert {run.run.job_type for run in runs} == {"eclare"}
    assert {
        (run.config["ranker"]["game_mix"], run.config["data"]["statistics"]["labels"]) for run in runs
    } == {(mix, labels) for mix in (0.0, 0.5) for labels in (40, 41)}
    for run in runs:
        tags = set(run.run.tags)
        assert f"ranker.game_mix={run.config['ranker']['game_mix']}" in tags
        assert not any(tag.startswith(("logger", "hydra", "paths")) for tag in tags)
        if run.exit_codes == [0]:
            assert list(run.curve("tree-0-ranker/val/P@1")) == [1, 2, 3]
            assert list(run.curve("surrogate/train/loss")) == [1, 2]
            assert 0 < run.summary["test/P@1"] <= 1
            assert "tree-0-ranker/weights.ckpt" in run.artifacts["model"]
        else:
            assert "expected 41 labels, found 40" in run.summary["error"]
    assert not list(Path(tmp_path).glob("wandb"))  # all of it lies in the cells' folders
