import os
import subprocess
import sys
from dataclasses import replace

import pytest
import yaml

from xcgraph.cli.report import build_parser, main
from xcgraph.errors import UserError
from xcgraph.runs.folder import find_runs
from xcgraph.saved_runs.sources import ConfigSources

from .conftest import PLUGIN, SMALL, Console


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with two runs on the plug-in data set."""
    console = Console(tmp_path_factory.mktemp("trained"))
    status, _, errors = console.run(
        "xcgraph-train", "-m", *SMALL, "paths.root=runs", "experiment=eclare,decaf"
    )
    assert status == 0, errors
    return console.folder


def run_report(folder, *arguments):
    done = subprocess.run(
        [sys.executable, "-m", "xcgraph.cli.report", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(PLUGIN)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def test_report_of_real_runs_has_every_part(trained):
    before = {path: path.stat().st_mtime_ns for path in (trained / "runs").rglob("*")}

    status, output, errors = run_report(trained, "runs", "--out", "report", "--trust", "toy_data")

    assert (status, errors) == (0, "")
    assert {path: path.stat().st_mtime_ns for path in (trained / "runs").rglob("*")} == before
    assert output.splitlines() == [
        "2 runs of 2 experiments; 0 folders left out.",
        "Written: report/report.md and report/report.html",
    ]
    text = (trained / "report" / "report.md").read_text("utf-8")
    for heading in ("Differences from eclare", "Some labels and their neighbours", "Some test points"):
        assert f"### {heading}" in text
    assert "share of refinement" in text
    assert "label 3" in text
    assert len(list((trained / "report" / "figures").iterdir())) == 6
    assert "<svg" in (trained / "report" / "report.html").read_text("utf-8")


def test_without_trust_a_foreign_class_is_not_even_imported(trained, tmp_path, monkeypatch):
    monkeypatch.delitem(sys.modules, "toy_data", raising=False)
    main([str(trained / "runs"), "--out", str(tmp_path)])

    text = (tmp_path / "report.md").read_text("utf-8")
    assert "config names toy\\_data.Toy, which is not of xcgraph" in text
    assert "--trust toy\\_data" in text
    assert "### Metrics" in text
    assert "Differences from" not in text
    assert "toy_data" not in sys.modules


def test_an_empty_folder_is_one_sentence_and_status_2(tmp_path, capsys):
    (tmp_path / "empty").mkdir()

    with pytest.raises(SystemExit) as left:
        main([str(tmp_path / "empty"), "--out", str(tmp_path / "report")])

    output, errors = capsys.readouterr()
    assert (left.value.code, output) == (2, "")
    assert errors.startswith("Expected run folders of xcgraph-train in ")
    assert errors.count("\n") == 1
    assert not (tmp_path / "report").exists()


def test_a_place_that_cannot_be_written_is_one_sentence(trained, tmp_path, capsys):
    (tmp_path / "file").write_text("")

    with pytest.raises(SystemExit) as left:
        main([str(trained / "runs"), "--out", str(tmp_path / "file")])

    assert left.value.code == 2
    assert capsys.readouterr().err.startswith(f"--out={tmp_path / 'file'}: ")


@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "xcgraph.cli.command.os.system",
        "xcgraph.storage.artifacts.shutil.rmtree",
        "hydra.utils.instantiate",
    ],
)
def test_a_config_cannot_call_what_is_not_of_xcgraph(trained, target, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(PLUGIN)
    run = find_runs([trained / "runs"])[0][0]
    config = {**run.config, "data": {**run.config["data"], "text": {"_target_": target, "command": "false"}}}
    path = tmp_path / "run"
    path.mkdir()
    (path / "config.yaml").write_text(yaml.safe_dump(config))
    for name in ("metrics.json", "run.json"):
        (path / name).write_text((run.path / name).read_text())
    (changed,), _ = find_runs([path])

    with pytest.raises(UserError, match=f"names {target}, which is (not of xcgraph|no part of a recipe)"):
        ConfigSources(["toy_data"], tmp_path).data(changed)


def test_a_stage_that_is_gone_costs_only_the_weights(trained, tmp_path, monkeypatch, caplog):
    monkeypatch.syspath_prepend(PLUGIN)
    run = find_runs([trained / "runs" / "sweeps" / "toy" / "eclare"])[0][0]
    manifest = run.path / "stages" / "tree-0-ranker" / "manifest.json"
    kept = manifest.read_text()
    manifest.unlink()
    try:
        main([str(run.path), "--out", str(tmp_path), "--trust", "toy_data"])
    finally:
        manifest.write_text(kept)

    assert "expected a finished stage" in caplog.text
    assert "share of" not in (tmp_path / "report.md").read_text("utf-8").replace("share of P", "")
    assert "Some labels and their neighbours" in (tmp_path / "report.md").read_text("utf-8")


def test_a_config_without_a_run_has_no_weights(trained, tmp_path, caplog):
    run = find_runs([trained / "runs"])[0][0]
    config = {key: value for key, value in run.config.items() if key != "run"}

    assert ConfigSources([], tmp_path).view_weights(replace(run, config=config), [0]) is None
    assert "its config describes no run" in caplog.text


def test_options_have_defaults():
    options = build_parser().parse_args(["a", "b", "--out", "c"])

    assert (options.runs, options.out, options.base, options.trust) == (["a", "b"], "c", None, [])
