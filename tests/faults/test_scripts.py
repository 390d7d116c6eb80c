"""A few of the scripted kills and disk faults; docs/reliability.md has the whole tables."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.commands import left_behind
from tests.faults.disks import INSIDE

ROOT = Path(__file__).parents[2]


def run(module, *arguments):
    command = [sys.executable, "-m", f"tests.faults.{module}", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=900, check=False)


def test_left_behind_lists_temporary_files_except_in_folders_of_killed_runs(tmp_path):
    for run, files in {"killed": (), "done": ("metrics.json",)}.items():
        (tmp_path / run / ".hydra").mkdir(parents=True)
        for file in (*files, f"{run}.lock", ".config.yaml.17"):
            (tmp_path / run / file).touch()
    (tmp_path / "x.partial").touch()

    assert left_behind(tmp_path) == ["done/.config.yaml.17", "done/done.lock", "x.partial"]


@pytest.mark.slow
def test_repeated_command_after_a_kill_gives_the_same_results():
    done = run("kills", "--kills", "3", "--only", "train eclare", "report", "sweep")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 kills, 0 of them made a difference" in done.stdout


@pytest.mark.slow
def test_command_reports_full_disk_and_continues_when_it_has_space():
    if subprocess.run([*INSIDE, "true"], capture_output=True, check=False).returncode:
        pytest.skip("mount namespaces are not available")
    done = run("disks", "--sizes", "2", "--only", "train eclare", "export")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "6 disks, 0 with unexpected behaviour" in done.stdout
