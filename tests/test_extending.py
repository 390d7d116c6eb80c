"""The page docs/extending.md works as written: its files are created and its commands are run."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from fastapi.testclient import TestClient

from xcgraph.predict.predictor import Predictor
from xcgraph.serve.app import create_app
from xcgraph.serve.settings import ServeSettings

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "extending.md").read_text("utf-8")
FILES = dict(re.findall(r"^`([^`\n]+)`\n\n```(?:python|yaml|text)\n(.*?)```", PAGE, re.MULTILINE | re.DOTALL))
SCRIPTS = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
TAGS = {"bread", "oven", "dough", "fridge", "pizza", "yeast"}


def test_every_block_is_a_named_file_or_a_script():
    assert PAGE.count("```") == 2 * (len(FILES) + len(SCRIPTS))
    assert len(SCRIPTS) == 2


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the files of the page."""
    folder = tmp_path_factory.mktemp("mine")
    for name, content in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content, "utf-8")
    return folder


def run_script(script, folder):
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-e", "-c", script],
        cwd=folder,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def trained(folder):
    """The folder after the training commands."""
    run_script(SCRIPTS[0], folder)
    return folder


@pytest.fixture(scope="module")
def exported(folder):
    """The folder after the commands that train, export and predict, and the last line that they print."""
    return folder, run_script(SCRIPTS[1], folder).splitlines()[-1]


def test_new_dataset_and_fusion_are_used(trained):
    (run,) = trained.glob("runs/questions/questions_max/*/metrics.json")
    metrics = json.loads(run.read_text())
    assert metrics["data"] == "questions"
    assert 0 <= metrics["test"]["P@1"] <= 1
    config = yaml.safe_load((run.parent / "config.yaml").read_text())
    assert config["run"]["recipe"]["network"]["fusion"]["_target_"] == "mine.max_fusion.MaxFusion"


def test_sweep_has_a_cell_per_fusion(trained):
    configs = trained.glob("runs/sweeps/questions/questions_max/*/config.yaml")
    fusions = {
        yaml.safe_load(config.read_text())["run"]["recipe"]["network"]["fusion"]["_target_"]
        for config in configs
    }
    assert fusions == {"mine.max_fusion.MaxFusion", "xcgraph.nn.MeanFusion"}
    assert len(list(trained.glob("runs/sweeps/questions/questions_max/*/metrics.json"))) == 2


def test_new_encoder_and_likelihood_are_trained_and_exported(exported):
    folder, _ = exported
    (run,) = folder.glob("runs/questions/questions_focal/*/config.yaml")
    network = yaml.safe_load(run.read_text())["run"]["recipe"]["network"]
    assert network["encoder"]["_target_"] == "mine.scaled_sum.ScaledSumOfTokens"
    assert network["likelihood"]["_target_"] == "mine.focal.Focal"
    (tree,) = json.loads((folder / "model" / "model.json").read_text())["trees"]
    encoder = tree["ranker"]["encoder"]
    assert (encoder["weight"], encoder["activation"], tree["ranker"]["link"]) == (None, "relu", "logistic")
    assert encoder["keep"] is not None
    assert encoder["bias"] is not None


def test_exported_model_predicts_and_is_served_without_the_package(exported):
    folder, line = exported
    predicted = json.loads(line)["labels"]
    with TestClient(create_app(Predictor.load(folder / "model"), ServeSettings())) as client:
        answer = client.post("/predict", json={"inputs": ["how hot is the oven for bread"], "top_k": 2})
    (served,) = answer.json()["predictions"]
    assert {label["name"] for label in predicted} < TAGS
    assert served["labels"] == predicted
    assert "mine" not in sys.modules
