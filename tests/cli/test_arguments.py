"""Arguments before Hydra reads them: settings written like options, and folders for output."""

from pathlib import Path

import pytest

from xcgraph.cli.arguments import prepare_arguments
from xcgraph.errors import UserError


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--experiment", "joint"], "--experiment joint: .* write experiment=joint"),
        (["--experiment", "joint", "seed=1"], "write experiment=joint"),
        (["-experiment=joint"], "-experiment=joint: .* write experiment=joint"),
        (["--experiment"], "write experiment=VALUE"),
        (["--seed=1"], "--seed=1: .* write seed=1"),
        (["-m", "--num-trees", "3"], "write num_trees=3"),
        (["--multi-run", "seed=0,1"], r"--multi-run: did you mean --multirun\?"),
        (["-mseed=0,1"], "write mseed=0,1"),
    ],
)
def test_setting_written_like_an_option_is_refused(arguments, message):
    with pytest.raises(UserError, match=message):
        prepare_arguments(arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        ["-m", "seed=0,1", "hydra.sweep.dir=${paths.root}/here"],
        ["--config-dir", "-odd", "--cfg", "job", "--package=paths", "seed=-1"],
        ["--multirun", "-cd=folder", "~trainer", "+a=~b", "hydra.run.dir=here"],
        ["--info", "plugins", "seed=1"],
    ],
)
def test_hydras_options_and_settings_are_kept(arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert prepare_arguments(arguments) == arguments


def test_options_may_follow_settings():
    given = ["seed=0,1", "-m", "hops=2", "--config-dir", "folder"]
    assert prepare_arguments(given) == ["-m", "--config-dir", "folder", "seed=0,1", "hops=2"]
    assert prepare_arguments(["seed=1", "-i", "hops=2"]) == ["--info=all", "seed=1", "hops=2"]


@pytest.mark.parametrize("quote", ["", "'"])
@pytest.mark.parametrize("key", ["hydra.run.dir", "hydra.sweep.dir"])
def test_home_folder_is_expanded_in_output_folders(key, quote, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert prepare_arguments([f"{key}={quote}~/r{quote}"]) == [f"{key}='{tmp_path / 'r'}'"]


def test_home_folder_is_quoted_in_other_settings():
    assert prepare_arguments(["paths.root=~/r", "data.path=a,~/b,~"]) == [
        "paths.root='~/r'",
        "data.path=a,'~/b','~'",
    ]
    kept = ["a=[~/b]", "a='~/b'", "~trainer", "a=b~/c"]
    assert prepare_arguments(kept) == kept


def test_output_folder_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"hydra\.run\.dir=.*file/r: .*file is not a folder"):
        prepare_arguments([f"hydra.run.dir={tmp_path / 'file' / 'r'}"])
    with pytest.raises(UserError, match=r"hydra\.sweep\.dir=/proc/x: cannot write in /proc"):
        prepare_arguments(["hydra.sweep.dir=/proc/x"])
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert not Path("/proc/x").exists()


def test_no_arguments_stay_none():
    assert prepare_arguments([]) == []
