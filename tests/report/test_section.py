"""Sections: which runs are compared, and which are left out as damaged."""

import json
from dataclasses import replace

import numpy as np
import pytest
import yaml

from xcgraph.errors import UserError
from xcgraph.report.section import make_sections
from xcgraph.runs.folder import find_runs

from .conftest import fingerprints


def sections_of(run_maker, sources, base="eclare"):
    return make_sections(find_runs([run_maker.root])[0], sources, base)


def test_section_has_measured_experiments_and_base(run_maker, sources):
    run_maker.make(seed=0)
    run_maker.make(seed=1)
    run_maker.make("decaf", hops=0)

    (section,), left_out = sections_of(run_maker, sources)

    assert left_out == []
    assert (section.title, section.split) == ("toy", "test")
    assert [each.label for each in section.experiments] == ["decaf", "eclare"]
    assert section.base.label == "eclare"
    assert sorted(section.points(section.base)) == [0, 1]
    for experiment in section.experiments:
        for run, values in zip(experiment.runs, section.points(experiment).values(), strict=True):
            assert values.metrics() == pytest.approx(run.metrics["test"])


@pytest.mark.parametrize("changed", ["truth", "propensity"])
def test_other_labels_or_propensity_make_separate_section(run_maker, sources, changed):
    run_maker.make()
    other = run_maker.make(
        facts={"data": {"name": "toy", "fingerprint": "f", "truth": "0" * 16}} if changed == "truth" else None
    )
    if changed == "propensity":
        config = yaml.safe_load((other / "config.yaml").read_text())
        config["data"]["propensity_a"] = 0.6
        (other / "config.yaml").write_text(yaml.safe_dump(config))

    sections, left_out = sections_of(run_maker, sources)

    assert [len(section.experiments) for section in sections] == [1, 1]
    assert left_out == []
    assert len({section.title for section in sections}) == 2
    assert all(section.title.startswith("toy (labels ") for section in sections)


def test_other_tokens_with_same_labels_share_section(run_maker, sources):
    run_maker.make()
    facts = {"data": {**fingerprints(sources._data), "name": "toy", "fingerprint": "0" * 16}}
    run_maker.make("joint", facts=facts, text={"longest": 5})

    (section,), left_out = sections_of(run_maker, sources)

    assert [each.label for each in section.experiments] == ["eclare", "joint"]
    assert len(section.measured) == 2
    assert left_out == []


def test_other_tokenizer_settings_are_other_experiments(run_maker, sources):
    for longest in (4, 5):
        run_maker.make("joint", text={"longest": longest})

    (section,), _ = sections_of(run_maker, sources)

    assert [each.label for each in section.experiments] == ["joint longest=4", "joint longest=5"]


def test_changed_dataset_is_not_used(run_maker, sources):
    run_maker.make(facts={"data": {"name": "toy", "fingerprint": "f", "truth": "0" * 16}})

    (section,), _ = sections_of(run_maker, sources)

    assert section.data is None
    assert "made with 0000000000000000" in section.no_data
    assert section.measured == {}


def test_unreadable_dataset_leaves_section_without_measurements(run_maker, sources, monkeypatch):
    run_maker.make()

    def refuse(_run):
        raise UserError("no such file")

    monkeypatch.setattr(sources, "data", refuse)

    (section,), _ = sections_of(run_maker, sources)

    assert (section.no_data, section.measured, section.test_texts) == ("no such file", {}, ())


def test_dataset_without_test_points_uses_validation_metrics(run_maker, sources):
    path = run_maker.make()
    metrics = json.loads((path / "metrics.json").read_text())
    (path / "metrics.json").write_text(json.dumps({**metrics, "test": {}}))
    sources._data = replace(sources._data, test=sources._data.test.take(np.empty(0, np.int64)))
    facts = {"data": {"name": "toy", **fingerprints(sources._data)}}
    (path / "run.json").write_text(json.dumps(facts))

    (section,), left_out = sections_of(run_maker, sources)

    assert (section.split, section.measured, left_out) == ("validation", {}, [])
    assert section.data is not None


@pytest.mark.parametrize("damage", ["missing", "truncated", "other"])
def test_run_with_missing_or_wrong_predictions_is_left_out(run_maker, sources, damage):
    path = run_maker.make()
    run_maker.make(seed=1)
    file = path / "predictions.npz"
    if damage == "missing":
        file.unlink()
    elif damage == "truncated":
        file.write_bytes(file.read_bytes()[:100])
    else:
        file.write_bytes((run_maker.make("other", seed=3) / "predictions.npz").read_bytes())

    sections, left_out = sections_of(run_maker, sources)

    assert [out.path for out in left_out] == [path]
    assert left_out[0].reason.startswith("damaged: predictions.npz")
    assert sections[0].base.seeds == (1,)
