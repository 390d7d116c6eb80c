"""What a saved run's config may name: public names, names by module, and names of older versions."""

import json

import pytest
import yaml

from xcgraph.errors import UserError
from xcgraph.nn.fusion import SumFusion
from xcgraph.runs.folder import RunFolder, find_runs
from xcgraph.saved_runs.replay import replay
from xcgraph.saved_runs.sources import ConfigSources, shipped_targets

# The parts that matter of a config as runs wrote it before classes had public names.
OLD_RUN = """
name: eclare
seed: 0
data: &data
  _target_: data_modules.synthetic.Synthetic
  name: synthetic
  propensity_a: 0.55
  propensity_b: 1.5
  text:
    _target_: xcgraph.data.text.WordTokens
    min_df: 1
validation: &validation
  _target_: xcgraph.pipeline.run.Validation
  fraction: 0.05
  seed: 0
run:
  _target_: xcgraph.pipeline.run.Run
  data: *data
  recipe:
    _target_: xcgraph.pipeline.eclare.Eclare
    graph:
      _target_: xcgraph.graph.random_walk.RandomWalkGraph
      num_neighbors: 10
    tasks:
      _target_: xcgraph.tasks.builder.TaskBuilder
      fusion:
        _target_: xcgraph.nn.sum_fusion.SumFusion
        _partial_: true
      label_text:
        _target_: xcgraph.tasks.label_text.frozen_text
        _partial_: true
    regularizer:
      _target_: xcgraph.tasks.regularization.GraphRegularization
      trade_off:
        _target_: xcgraph.nn.trade_off.FixedTradeOff
        _partial_: true
    truth:
      _target_: xcgraph.pipeline.truth.GivenTruth
  validation: *validation
  seed: 0
  num_threads: 1
  artifacts: artifacts
  folder: run
"""


@pytest.fixture
def old_run(tmp_path):
    """A finished run folder of an older version."""
    folder = tmp_path / "old"
    folder.mkdir()
    # Runs write resolved configs, without anchors.
    content = json.loads(json.dumps(yaml.safe_load(OLD_RUN)))
    (folder / "config.yaml").write_text(yaml.dump(content, Dumper=NoAliases))
    metrics = {"P@1": 0.5}
    (folder / "metrics.json").write_text(
        json.dumps({"data": "synthetic", "validation": metrics, "test": metrics})
    )
    facts = {"data": {"name": "synthetic", "fingerprint": "abcd", "truth": "ef01"}}
    (folder / "run.json").write_text(json.dumps(facts))
    return folder


class NoAliases(yaml.SafeDumper):
    def ignore_aliases(self, data):  # noqa: ARG002
        return True


def read(folder):
    (run,), left_out = find_runs([folder])
    assert left_out == []
    return run


def test_metrics_of_an_old_run_are_read(old_run):
    run = read(old_run)
    assert run.labels_fingerprint == "ef01"
    assert run.metrics["test"] == {"P@1": 0.5}


@pytest.mark.parametrize(
    ("method", "name"),
    [
        ("run", "xcgraph.pipeline.run.Run"),
        ("model", "xcgraph.pipeline.run.Run"),
        ("data", "xcgraph.data.text.WordTokens"),
    ],
)
def test_model_and_data_of_an_old_run_are_refused(old_run, tmp_path, method, name):
    expected = f"names {name}, which this version .* does not have: .* older version; train it again"
    with pytest.raises(UserError, match=expected) as refused:
        getattr(ConfigSources((), tmp_path), method)(read(old_run))
    assert "\n" not in str(refused.value)


def test_view_weights_of_an_old_run_are_left_out(old_run, tmp_path, caplog):
    assert ConfigSources((), tmp_path).view_weights(read(old_run), [0]) is None
    assert "older version; train it again" in caplog.text


def test_replay_of_an_old_run_is_refused(old_run):
    with pytest.raises(UserError, match="older version; train it again"):
        replay(old_run)


def build(tmp_path, node):
    run = RunFolder(path=tmp_path, config={"data": node}, metrics={}, facts={"data": {"fingerprint": "a"}})
    return ConfigSources((), tmp_path).data(run)


@pytest.mark.parametrize(
    "name",
    [
        "xcgraph.pipeline.eclare.Eclare",
        "xcgraph.nn.sum_fusion.SumFusion",
        "xcgraph.nn.trade_off.BanditTradeOff",
        "xcgraph.data.text.WordTokens",
        "xcgraph.recipes.GivenTruth",
        "data_modules.gone.Gone",
    ],
)
def test_name_of_an_older_version_is_refused(tmp_path, name):
    with pytest.raises(UserError, match=f"names {name}, which this version of xcgraph does not have"):
        build(tmp_path, {"_target_": name})


def test_part_may_be_named_by_its_module(tmp_path):
    node = {"dim": 2, "num_views": 1, "_partial_": True}
    for name in ("xcgraph.nn.SumFusion", f"{SumFusion.__module__}.SumFusion"):
        with pytest.raises(UserError, match=r"expected a data module in config\.yaml, found"):
            build(tmp_path, {"_target_": name, **node})


def test_fields_of_an_older_version_are_refused(tmp_path):
    node = {"_target_": "xcgraph.recipes.RankerConfig", "beams": 3}
    with pytest.raises(
        UserError, match=r"if an older version wrote it, train the run again: .*beams"
    ) as refused:
        build(tmp_path, node)
    assert "\n" not in str(refused.value)


def test_shipped_configs_use_public_names():
    names = {name for name in shipped_targets() if name.startswith("xcgraph.")}
    assert {"xcgraph.nn.SumFusion", "xcgraph.recipes.Eclare", "xcgraph.runs.Run"} <= names
    assert {name for name in names if name.count(".") > 2} == set()
