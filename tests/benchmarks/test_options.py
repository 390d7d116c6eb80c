"""Tests of the comparison of options, with run folders written by hand."""

import json

import pytest
import yaml

from benchmarks import options


@pytest.fixture
def runs(tmp_path):
    """Two options with two seeds each, and one unfinished run."""
    for change, gain in (("", 0.0), ("encoder.dim=64", 0.1)):
        for seed in (0, 1):
            folder = tmp_path / f"{change}-{seed}"
            folder.mkdir()
            overrides = ["experiment=joint", change, f"seed={seed}", "num_threads=1", "paths.root=elsewhere"]
            metrics = dict.fromkeys(options.TEST, 0.2 + gain + 0.02 * seed)
            config = {"name": "joint", "seed": seed, "validation": {"fraction": 0.05, "seed": 0}}
            config["data"] = {"name": "toy", "propensity_a": 0.55, "propensity_b": 1.5}
            facts = {
                "overrides": [each for each in overrides if each],
                "seed": seed,
                "seconds": 1.0,
                "stages": {"graph": {"seconds": 2.0}, "joint": {"seconds": 30.0 + 2 * seed}},
                "data": {"name": "toy", "fingerprint": "f", "truth": "t"},
            }
            (folder / "config.yaml").write_text(yaml.safe_dump(config))
            (folder / "run.json").write_text(json.dumps(facts))
            content = {"data": "toy", "validation": metrics, "test": metrics}
            (folder / "metrics.json").write_text(json.dumps(content))
    (tmp_path / "unfinished").mkdir()
    return tmp_path


def test_runs_are_grouped_by_their_overrides_without_the_seed(runs):
    rows = options.table(sorted(options.read_options([runs]))).splitlines()[2:]
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    assert [cell[0] for cell in cells] == ["`joint`", "`joint encoder.dim=64`"]
    assert [cell[1] for cell in cells] == ["21.00 ± 1.41", "31.00 ± 1.41"]
    assert [cell[-1] for cell in cells] == ["33", "33"]


def test_plot_writes_an_svg(runs, tmp_path):
    options.plot(options.read_options([runs]), tmp_path / "options.svg")
    assert (tmp_path / "options.svg").read_bytes().startswith(b"<?xml")
