"""docs/extending.md, done to the letter: its files are written and its commands are run."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "extending.md").read_text("utf-8")
FILES = dict(re.findall(r"^`([^`\n]+)`\n\n```(?:python|yaml|text)\n(.*?)```", PAGE, re.MULTILINE | re.DOTALL))
SCRIPTS = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)


def test_every_block_has_a_name_or_is_a_script():
    assert PAGE.count("```") == 2 * (len(FILES) + len(SCRIPTS))
    assert len(SCRIPTS) == 1


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mine")
    for name, content in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content, "utf-8")
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-e", "-c", SCRIPTS[0]],
        cwd=folder,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


def test_the_new_data_set_and_fusion_were_used(folder):
    (run,) = folder.glob("runs/questions/questions_max/*/metrics.json")
    metrics = json.loads(run.read_text())
    assert metrics["data"] == "questions"
    assert 0 <= metrics["test"]["P@1"] <= 1
    config = yaml.safe_load((run.parent / "config.yaml").read_text())
    assert config["recipe"]["tasks"]["fusion"]["_target_"] == "max_fusion.MaxFusion"


def test_the_sweep_has_both_fusions(folder):
    configs = folder.glob("runs/sweeps/questions/questions_max/*/config.yaml")
    fusions = {yaml.safe_load(config.read_text())["fusion"]["_target_"] for config in configs}
    assert fusions == {"max_fusion.MaxFusion", "xcgraph.nn.fusion.MeanFusion"}
    assert len(list(folder.glob("runs/sweeps/questions/questions_max/*/metrics.json"))) == 2
