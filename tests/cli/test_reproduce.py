import json
import os
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf

from xcgraph.cli import reproduce, results
from xcgraph.cli import reproduce_job as job
from xcgraph.cli.failures import USER_ERROR
from xcgraph.cli.suite import CellRun, Suite, find_cell_runs, read_suite
from xcgraph.errors import UserError
from xcgraph.report.tables import MAIN_METRICS
from xcgraph.report.verdict import Recorded, Summary

CELLS = ("experiment=smoke", "experiment=smoke hops=2")
DATA = SimpleNamespace
_composed = {}


def compose_once(name, overrides):
    """Compose each config once for all tests of this file: Hydra takes a fifth of a second."""
    key = (name, *overrides)
    if key not in _composed:
        _composed[key] = compose(name, list(overrides))
    return _composed[key].copy()


@pytest.fixture
def suite(tmp_path, monkeypatch):
    """Replace trainings by four runs that only write a folder; return the list of runs that were trained."""
    trained = []

    def execute(run: CellRun) -> bool:
        trained.append((run.cell, run.seed))
        leave_run(run)
        return True

    declared = Suite(cells=CELLS, seeds=(0, 1), base="smoke")
    metrics = dict.fromkeys(MAIN_METRICS, Summary(0.3, 0.01, 2))
    recorded = Recorded(metrics=dict.fromkeys(CELLS, metrics), seconds=dict.fromkeys(CELLS, 90.0))
    monkeypatch.setattr("xcgraph.cli.suite.compose", compose_once)
    monkeypatch.setattr("xcgraph.cli.suite._read", lambda node: DATA(name=node.name, fingerprint="f1"))
    monkeypatch.setattr(job, "read_suite", lambda data, suite: declared)  # noqa: ARG005
    monkeypatch.setattr(job, "read_recorded", lambda data, suite: recorded)  # noqa: ARG005
    monkeypatch.setattr(job, "_execute", execute)
    monkeypatch.setattr(job, "_report", lambda runs, suite, out: write_report(out))  # noqa: ARG005
    monkeypatch.chdir(tmp_path)
    return trained


def leave_run(run, value=0.3):
    run.folder.mkdir(parents=True, exist_ok=True)
    OmegaConf.save(compose_again(run), run.folder / "config.yaml", resolve=True)
    values = dict.fromkeys(MAIN_METRICS, value)
    metrics = {"data": "LF-WordNet-8K", "validation": values, "test": values}
    (run.folder / "metrics.json").write_text(json.dumps(metrics))
    facts = {"data": {"fingerprint": "f1"}, "code": results.code_digest(), "seed": run.seed, "seconds": 12.0}
    (run.folder / "run.json").write_text(json.dumps(facts))


def compose_again(run):
    with initialize_config_module("xcgraph.conf", version_base="1.3"):
        return compose_once("train", [*run.overrides, f"paths.run={run.folder}"])


def write_report(out):
    out.mkdir(parents=True, exist_ok=True)
    (out / "report.html").write_text("")


ROOT = "runs/reproduce"


def run_reproduce(*arguments):
    with pytest.raises(SystemExit) as ended:
        reproduce.main(arguments)
    return ended.value.code


def test_only_missing_runs_are_trained(suite, capsys):
    assert run_reproduce() == 0
    assert suite == [(cell, seed) for cell in CELLS for seed in (0, 1)]
    assert "4 of 4 runs are missing: 6 min as recorded" in (output := capsys.readouterr().out)
    assert "Reproduced: all 12 values lie within their tolerances." in output

    suite.clear()
    assert run_reproduce() == 0
    assert suite == []
    assert "All 4 runs are finished: nothing to train." in capsys.readouterr().out

    next(iter(Path(ROOT, "sweeps").glob("*/*/*/metrics.json"))).unlink()
    assert run_reproduce() == 0
    assert len(suite) == 1


def test_runs_of_other_code_are_trained_again_and_the_plan_says_why(suite, capsys, monkeypatch):
    assert run_reproduce() == 0
    before = results.code_digest()
    monkeypatch.setattr(results, "code_digest", lambda: "changed")
    assert run_reproduce() == 0
    output = capsys.readouterr().out
    assert output.count("4 of 4 runs are missing") == 2
    assert output.count(f" are of other code (digest {before}, now changed).") == 4
    assert len(suite) == 8


def test_runs_on_other_data_are_trained_again_and_the_plan_says_why(suite, capsys, monkeypatch):
    assert run_reproduce() == 0
    monkeypatch.setattr("xcgraph.cli.suite._read", lambda node: DATA(name=node.name, fingerprint="f2"))
    assert run_reproduce("--plan") == 0
    assert capsys.readouterr().out.count("of other data (LF-WordNet-8K: fingerprint f1, now f2).") == 4
    assert len(suite) == 4


def test_progress_counts_runs_and_estimates_the_time_left(suite, capsys, monkeypatch):
    clock = iter(range(0, 10_000, 45))  # A run takes 90 s as recorded. Each call of the clock adds 45 s.
    monkeypatch.setattr(job.time, "monotonic", lambda: float(next(clock)))
    execute = job._execute
    monkeypatch.setattr(job, "_execute", lambda run: execute(run) and run.seed == 0)
    assert run_reproduce() == 1
    lines = [line for line in capsys.readouterr().out.splitlines() if " to run, " in line]
    assert lines[0] == "0 done, 0 failed, 4 to run, about 6 min: experiment=smoke seed=0"
    assert lines[2] == "1 done, 1 failed, 2 to run, about 2 min: experiment=smoke hops=2 seed=0"
    assert len(suite) == len(lines) == 4


def test_value_outside_its_tolerance_is_reported(suite, capsys):
    assert run_reproduce() == 0
    worse = [run for run in find_cell_runs(job.read_suite("", ""), ROOT) if run.cell == CELLS[1]]
    for run in worse:
        leave_run(run, value=0.2)
    assert run_reproduce() == 1
    output = capsys.readouterr().out
    assert f"OUTSIDE {CELLS[1]}: PSP@5 20.00, expected 30.00 ± 3.00" in output
    assert f"OUTSIDE {CELLS[0]}:" not in output
    assert suite
    assert "**20.00**" in Path(ROOT, "lf_wordnet_8k-main", "verdict.md").read_text()


def test_failed_run_stops_no_other_run_and_is_listed(suite, capsys, monkeypatch):
    execute = job._execute
    monkeypatch.setattr(job, "_execute", lambda run: run.seed == 0 and execute(run))
    assert run_reproduce() == 1
    assert suite == [(cell, 0) for cell in CELLS]
    assert f"FAILED {CELLS[1]} seed=1" in capsys.readouterr().out


def test_runs_side_by_side(suite, capsys, monkeypatch):
    both, one = threading.Barrier(2), threading.Lock()

    def execute(run):
        both.wait(timeout=30)  # It passes only if two runs are under way.
        with one:  # Hydra composes one config at a time.
            leave_run(run)
        return True

    monkeypatch.setattr(job, "_execute", execute)
    assert run_reproduce("--jobs", "2") == 0
    assert suite == []
    output = capsys.readouterr().out
    assert "0 done, 0 failed, 4 to run" in output
    assert "Reproduced: all 12 values lie within their tolerances." in output


def test_refused_run_stops_runs_that_have_not_begun(suite, monkeypatch):
    begun = []

    def refuse(run):
        begun.append(run)
        raise UserError("Stopped.")

    monkeypatch.setattr(job, "_execute", refuse)
    assert run_reproduce("--jobs", "2") == USER_ERROR
    assert len(begun) <= 2
    assert suite == []


@pytest.mark.parametrize(
    ("threads", "cores", "memory", "jobs"),
    [(None, 8, 64, 1), (1, 8, 64, 8), (2, 8, 64, 4), (1, 8, 9, 2), (4, 2, 64, 1), (1, 8, 2, 1)],
)
def test_default_jobs_fit_cores_and_memory(threads, cores, memory, jobs, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(cores))
    monkeypatch.setattr(os, "sysconf", {"SC_PHYS_PAGES": memory * 2**18, "SC_PAGE_SIZE": 4096}.get)
    assert Suite(cells=CELLS, seeds=(0,), base="smoke", num_threads=threads).default_jobs() == jobs


def test_runs_have_the_threads_of_their_suite():
    by_threads = {
        threads: find_cell_runs(Suite(cells=CELLS, seeds=(0,), base="smoke", num_threads=threads), "runs")[0]
        for threads in (None, 1)
    }
    assert "num_threads=1" in by_threads[1].overrides
    assert "num_threads=1" not in by_threads[None].overrides


@pytest.mark.parametrize("jobs", ["0", "-1", "two"])
def test_wrong_number_of_jobs_is_refused(jobs, capsys):
    assert run_reproduce("--jobs", jobs) == USER_ERROR
    assert "expected a number of 1 or more" in capsys.readouterr().err


@pytest.mark.usefixtures("suite")
def test_plan_runs_nothing(capsys):
    assert run_reproduce("--plan") == 0
    assert "4 of 4 runs are missing" in capsys.readouterr().out
    assert not Path("runs").exists()


@pytest.mark.usefixtures("suite")
def test_results_can_be_recorded(tmp_path):
    assert run_reproduce("--record", "new.yaml") == 0
    assert (tmp_path / "new.yaml").read_text().count("PSP@5: [30.0, 0.0]") == 2


@pytest.mark.usefixtures("suite")
def test_recorded_seconds_are_the_median_of_runs(monkeypatch):
    declared = Suite(cells=CELLS[:1], seeds=(0, 1, 2), base="smoke")
    monkeypatch.setattr(job, "read_suite", lambda data, suite: declared)  # noqa: ARG005
    assert run_reproduce() == 0
    waited = find_cell_runs(declared, ROOT)[1]
    facts = json.loads((waited.folder / "run.json").read_text())
    (waited.folder / "run.json").write_text(json.dumps({**facts, "seconds": 600.0}))
    assert run_reproduce("--record", "new.yaml") == 0
    assert OmegaConf.load("new.yaml")[CELLS[0]].seconds == 12.0


def test_refused_run_stops_the_suite(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = CellRun(cell="hops=-1", seed=0, overrides=("hops=-1",), folder=Path("runs"), metrics=None)
    with pytest.raises(UserError, match=r"Stopped: hops=-1 seed=0 cannot run"):
        job._execute(run)


def test_unknown_suite():
    with pytest.raises(UserError, match=r"no suite large of lf_wordnet_8k: .*SUITE=main"):
        read_suite("lf_wordnet_8k", "large")
