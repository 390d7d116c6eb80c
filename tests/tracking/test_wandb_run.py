"""W&B: reads back the records of offline runs, of single runs and of sweeps."""

import json
import logging
import subprocess
import sys
import time
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


def session_in(folder, tracker=None, **changes):
    (folder / "stages" / "surrogate").mkdir(parents=True, exist_ok=True)
    for file in ("config.yaml", "predictions.npz", "stages/surrogate/weights.ckpt"):
        (folder / file).write_text("content")
    facts = {
        "name": "eclare hops=2",
        "group": "sweep-01234567",
        "job_type": "eclare_two_hops",
        "tags": ("hops=2", "data.path=" + 100 * "x"),
        "config": {"hops": 2, "graph": {"num_neighbors": 10}},
    }
    start = RunStart(**{**facts, **changes}, folder=folder)
    return Session(tracker or WandbTracker(project="mine"), start)


def follow(session):
    def execute():
        for stage in ("surrogate", "tree-0-ranker"):
            session.report(stage, ROWS)
        return METRICS

    session.follow(execute)


def test_offline_run_records_header_curves_summary_and_artifacts(tmp_path, recorded, caplog):
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
        assert found.curve(f"{stage}/val/P@1") == {1: 25, 2: 75}  # percent
        assert found.curve(f"{stage}/lr") == {1: 0.5, 2: 0.125}
        assert found.steps[f"{stage}/*"] == f"{stage}/epoch"
    assert (found.summary["test/PSP@5"], found.summary["validation/P@1"]) == (62.5, 50)
    assert found.summary["metrics/nrows"] == 3
    assert found.artifacts["predictions"] == ["predictions.npz"]
    assert found.artifacts["model"] == ["config.yaml", "surrogate/weights.ckpt"]
    assert found.exit_codes == [0]


@pytest.mark.parametrize("error", [ValueError("broken"), KeyboardInterrupt()])
def test_failed_run_is_finished_and_next_run_is_separate(tmp_path, recorded, error):
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


def test_wandb_mode_disabled_records_nothing(tmp_path, recorded, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "disabled")
    follow(session_in(tmp_path / "run"))
    assert recorded(tmp_path) == []


def test_wandb_error_becomes_user_error(tmp_path, monkeypatch):
    def refuse(**_):
        raise wandb.errors.CommError("no such host.")

    monkeypatch.setattr(wandb, "init", refuse)
    with pytest.raises(UserError, match=r"no such host\. .*WANDB_MODE=offline"):
        follow(session_in(tmp_path / "run"))


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("WANDB_MODE", "ofline", "'offline'"),
        ("WANDB_MODE", "", "'offline'"),
        ("WANDB_BASE_URL", "localhost:8080", "'http' or 'https'"),
        ("WANDB_BASE_URL", "", "URL"),
        ("WANDB_RESUME", "perhaps", "'allow'"),
        ("WANDB_TAGS", "", "64"),
        ("WANDB_RUN_ID", "", "empty"),
        ("WANDB_API_KEY", "abc", "key"),
    ],
)
def test_invalid_wandb_environment_is_refused_by_name(tmp_path, monkeypatch, name, value, rule):
    monkeypatch.setenv(name, value)
    wandb.teardown()  # W&B reads the environment once per process
    with pytest.raises(UserError) as refused:
        follow(session_in(tmp_path / "run", group=None))
    message = str(refused.value)
    assert rule in message
    assert "logger=csv" in message
    assert "\n" not in message
    if name not in ("WANDB_RUN_ID", "WANDB_API_KEY"):  # W&B's own sentence names the setting in words
        assert f"{name}={value!r}" in message
    wandb.teardown()


def test_empty_project_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"logger\.project.*''.*WANDB_PROJECT"):
        follow(session_in(tmp_path / "run", WandbTracker(project="")))


@pytest.mark.parametrize(("name", "value"), [("WANDB_MODE", "ofline"), ("WANDB_BASE_URL", "localhost:8080")])
def test_invalid_wandb_environment_ends_command_with_status_2(tmp_path, monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    status, _, errors = Console(tmp_path).run("xcgraph-train", *SMALL, "logger=wandb")
    assert status == 2
    assert f"{name}={value!r}" in errors
    assert "Traceback" not in errors


def test_cell_ignores_wandb_run_id_and_says_so_once(tmp_path, recorded, monkeypatch, caplog):
    monkeypatch.setenv("WANDB_RUN_ID", "shared")
    for cell in ("a", "b"):
        follow(session_in(tmp_path / cell))
    ids = [run.run.run_id for run in recorded(tmp_path)]
    assert len(set(ids)) == 2
    assert "shared" not in ids
    messages = [record.getMessage() for record in caplog.records if "WANDB_RUN_ID" in record.getMessage()]
    assert len(messages) == 1
    assert "shared" in messages[0]


def test_single_run_uses_wandb_run_id(tmp_path, recorded, monkeypatch):
    monkeypatch.setenv("WANDB_RUN_ID", "chosen")
    follow(session_in(tmp_path / "run", group=None))
    assert [run.run.run_id for run in recorded(tmp_path)] == ["chosen"]


@pytest.mark.parametrize("group", ["sweep-01234567", None])
def test_repeated_run_folder_keeps_its_wandb_run_id(tmp_path, recorded, group):
    follow(session_in(tmp_path / "run", group=group))
    time.sleep(1.1)  # W&B names an offline folder by id and second
    follow(session_in(tmp_path / "run", group=group))
    follow(session_in(tmp_path / "other", group=group))
    other, first, second = (run.run.run_id for run in recorded(tmp_path))
    assert first == second != other


@pytest.mark.parametrize(("mode", "resume"), [("online", "allow"), ("offline", None)])
def test_online_run_resumes_and_drops_error_of_earlier_try(tmp_path, monkeypatch, mode, resume):
    """W&B prints a warning for ``resume`` in offline mode."""

    class Run:
        def __init__(self):
            self.id, self.summary = "0", {"error": "killed"}

        def define_metric(self, *_, **__): ...

        def log(self, *_): ...

        def finish(self, exit_code): ...

    given, run = {}, Run()
    monkeypatch.setenv("WANDB_MODE", mode)
    monkeypatch.setattr(wandb, "init", lambda **options: given.update(options) or run)
    follow(session_in(tmp_path / "run", WandbTracker(artifacts=False)))
    assert given["resume"] == resume
    assert "error" not in run.summary


def test_long_names_groups_and_tags_are_shortened_and_stay_distinct(tmp_path, recorded):
    settings = " ".join(f"stages.ranker.setting_{number}=0.5" for number in range(10))
    for cell, seed in (("a", 0), ("b", 1)):
        tags = tuple(f"data.path={100 * 'x'}{end}" for end in (seed, seed + 1))
        start = {"name": f"eclare {settings} seed={seed}", "group": f"{150 * 'g'}{seed}", "tags": tags}
        follow(session_in(tmp_path / cell, **start))
    runs = recorded(tmp_path)
    heads = [run.run for run in runs]
    for limit, values in (
        (128, [head.display_name for head in heads]),
        (128, [head.run_group for head in heads]),
        (64, [tag for head in heads for tag in head.tags]),
    ):
        assert max(map(len, values)) <= limit
    assert len({head.display_name for head in heads}) == 2
    assert len({head.run_group for head in heads}) == 2
    assert len({tag for head in heads for tag in head.tags}) == 3
    assert all(head.display_name.startswith("eclare stages.ranker.setting_0=0.5") for head in heads)


def test_wandb_is_imported_only_by_its_tracker():
    code = "import sys, xcgraph.cli.train, xcgraph.tracking.wandb_run; sys.exit('wandb' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


BASIC = ()
JOBLIB = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2")


@pytest.mark.parametrize("launcher", [BASIC, pytest.param(JOBLIB, marks=pytest.mark.slow)])
def test_each_sweep_cell_has_its_own_finished_run(tmp_path, recorded, monkeypatch, launcher):
    """Two cells expect another number of labels and fail; the other two share all trained stages."""
    monkeypatch.setenv("WANDB_RUN_ID", "shared")
    sweep = ("ranker.game_mix=0.0,0.5", "data.statistics.labels=40,41")
    status, output, errors = Console(tmp_path, warm=launcher == BASIC).run(
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
    cells = {file.read_text(): file.parent for file in tmp_path.rglob("wandb-run-id")}
    for run in runs:
        assert run.config["choices"]["experiment"] == "eclare"
        assert run.config["choices"]["data"] == "toy"
        tags = set(run.run.tags)
        assert f"ranker.game_mix={run.config['ranker']['game_mix']}" in tags
        assert not any(tag.startswith(("logger", "hydra", "paths")) for tag in tags)
        if run.exit_codes == [0]:
            assert list(run.curve("tree-0-ranker/val/P@1")) == [1, 2, 3]
            assert list(run.curve("surrogate/train/loss")) == [1, 2]
            facts = json.loads((cells[run.run.run_id] / "run.json").read_text())
            metrics = json.loads((cells[run.run.run_id] / "metrics.json").read_text())
            assert run.summary["test/P@1"] == pytest.approx(100 * metrics["test"]["P@1"])
            assert run.summary["data_fingerprint"] == facts["data"]["fingerprint"]
            assert run.summary["seconds"] == facts["seconds"]
            assert run.summary["peak_memory_mib"] == facts["peak_memory_mib"]
            assert run.summary.get("commit") == (facts["git"] or {}).get("commit")
            assert "tree-0-ranker/weights.ckpt" in run.artifacts["model"]
        else:
            assert "expected 41 labels, found 40" in run.summary["error"]
    assert not list(Path(tmp_path).glob("wandb"))  # W&B's files lie in the folders of the cells
