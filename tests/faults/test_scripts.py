"""The scripted kills and disks, with a few of each; the documentation has the whole tables."""

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


def test_what_lies_about_is_left_behind_unless_it_is_in_the_folder_of_a_run_that_was_killed(tmp_path):
    for run, files in {"killed": (), "done": ("metrics.json",)}.items():
        (tmp_path / run / ".hydra").mkdir(parents=True)
        for file in (*files, f"{run}.lock", ".config.yaml.17"):
            (tmp_path / run / file).touch()
    (tmp_path / "x.partial").touch()

    assert left_behind(tmp_path) == ["done/.config.yaml.17", "done/done.lock", "x.partial"]


@pytest.mark.slow
def test_killed_commands_end_as_if_undisturbed():
    done = run("kills", "--kills", "3", "--only", "train eclare", "report", "sweep")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 kills, 0 of them made a difference" in done.stdout


@pytest.mark.slow
def test_commands_say_what_is_wrong_with_the_disk_and_go_on_when_it_is_mended():
    if subprocess.run([*INSIDE, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no mount namespace here")
    done = run("disks", "--sizes", "2", "--only", "train eclare", "export")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "6 disks, 0 of them not as they should be" in done.stdout
