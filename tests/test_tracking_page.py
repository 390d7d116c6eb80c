"""docs/tracking.md: its commands compose, its W&B sweep can run, and its table names every logger."""

import re
import shlex
from pathlib import Path

import pytest
import yaml
from hydra import compose, initialize_config_module

from xcgraph.saved_runs.build import build_node
from xcgraph.tracking.wandb_run import WandbTracker

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "tracking.md").read_text("utf-8")
COMMANDS = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]
SWEEP = yaml.safe_load(re.search(r"`sweep.yaml`\n\n```yaml\n(.*?)```", PAGE, re.DOTALL)[1])


def composed(overrides):
    with initialize_config_module("xcgraph.conf", version_base="1.3"):
        return compose("train", overrides)


@pytest.mark.parametrize("line", COMMANDS)
def test_command_composes(line):
    script, *arguments = shlex.split(line)
    assert script == "xcgraph-train"
    assert composed([re.sub(r",.*", "", argument) for argument in arguments if argument != "-m"])


def test_table_names_every_logger():
    rows = set(re.findall(r"^\| `(\w+)`(?: \(default\))? \|", PAGE.partition("## Weights")[0], re.MULTILINE))
    assert rows == {file.stem for file in (ROOT / "conf" / "logger").glob("*.yaml")}


@pytest.mark.parametrize("end", [0, -1])
def test_wandb_sweep_composes_with_its_parameters(end, monkeypatch):
    """The agent replaces ${args_no_hyphens} by one value of each parameter."""
    monkeypatch.setenv("WANDB_SWEEP_ID", "abcd1234")
    values = {
        name: choice["values"][end] if "values" in choice else choice[("min", "max")[end]]
        for name, choice in SWEEP["parameters"].items()
    }
    program, *overrides, last = SWEEP["command"]
    assert (program, last, SWEEP["program"]) == ("${program}", "${args_no_hyphens}", "xcgraph-train")
    config = composed([*overrides, *(f"{name}={value}" for name, value in values.items())])
    assert (config.hops, config.stages.ranker.lr) == (values["hops"], values["stages.ranker.lr"])
    assert (config.logger.group, config.logger.artifacts) == ("abcd1234", False)
    assert isinstance(build_node(config.logger), WandbTracker)
    assert SWEEP["metric"] == {"name": "validation/P@1", "goal": "maximize"}


def test_project_and_group_come_from_environment(monkeypatch):
    assert composed(["logger=wandb"]).logger.project == "xcgraph"
    monkeypatch.setenv("WANDB_PROJECT", "mine")
    monkeypatch.setenv("WANDB_RUN_GROUP", "ours")
    logger = composed(["logger=wandb"]).logger
    assert (logger.project, logger.group) == ("mine", "ours")
