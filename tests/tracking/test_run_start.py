"""What the train command passes to a tracker when a run begins."""

import pytest
from hydra import compose, initialize_config_module
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf

from xcgraph.cli.train_job import describe_start


@pytest.fixture
def run_start(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def start(*overrides):
        with initialize_config_module("xcgraph.conf", version_base="1.3"):
            config = compose("train", ["hydra.runtime.output_dir=run", *overrides], return_hydra_config=True)
        try:
            HydraConfig.instance().set_config(config)
            OmegaConf.set_struct(config, False)
            del config["hydra"]
            return describe_start(config, "run")
        finally:
            HydraConfig.instance().cfg = None

    return start


def test_config_holds_choices_of_groups(run_start):
    choices = run_start("experiment=decaf", "fusion=gated", "data=synthetic").config["choices"]
    assert (choices["experiment"], choices["fusion"], choices["data"]) == ("decaf", "gated", "synthetic")
    assert not any(group.startswith("hydra") for group in choices)


@pytest.mark.parametrize(
    ("override", "is_equal"), [("seed=1", True), ("logger=none", True), ("encoder.dim=7", False)]
)
def test_seedless_key_is_equal_for_runs_that_differ_in_seed_alone(run_start, override, is_equal):
    keys = [run_start(*overrides).config["seedless_key"] for overrides in ([], [override])]
    assert (keys[0] == keys[1]) is is_equal


def test_tags_are_overrides_that_results_depend_on(run_start):
    start = run_start("encoder.dim=7", "logger=none", "seed=1")
    assert start.tags == ("encoder.dim=7", "seed=1")
    assert start.name == "eclare encoder.dim=7 seed=1"
