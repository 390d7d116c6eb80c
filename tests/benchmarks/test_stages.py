"""Tests of the benchmark of single steps."""

import pytest

from benchmarks.clock import Spread
from benchmarks.ours import measure
from benchmarks.process import compose_run
from benchmarks.stages import ONE_EPOCH, SIZES, Step, parse
from benchmarks.steps import DONE, measure_step

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def overrides(tiny_overrides):
    return [*tiny_overrides, *ONE_EPOCH, "shortlister.beam_size=12"]


def test_each_step_runs_once_and_in_order(overrides, tmp_path):
    found = {}
    while DONE not in found:
        name, took = measure_step(compose_run(overrides, tmp_path), tmp_path, 2, 100.0)
        assert name not in found
        found[name] = took

    tree = [f"tree-0-{part}" for part in ("clusters", "shortlister", "beams-train", "beams-valid", "ranker")]
    assert list(found) == [
        *("synthetic", "read", "graph-surrogate", "clusters-surrogate", "surrogate", "graph"),
        *tree,
        *("loader-points", "loader-shortlists", "predict"),
    ]
    assert {name: len(took) for name, took in found.items() if len(took) != 2} == {"synthetic": 1, "read": 1}
    assert found["surrogate"][0].seconds > 0


def test_step_over_the_time_limit_is_measured_once(overrides, tmp_path):
    names = []
    while "graph-surrogate" not in names:
        name, took = measure_step(compose_run(overrides, tmp_path), tmp_path, 3, 0.0)
        assert len(took) == 1
        names.append(name)


def test_size_stands_before_other_overrides():
    _, overrides = parse(["--size", "8k", "--runs", "1", "seed=1"])

    assert overrides == [*SIZES["8k"], *ONE_EPOCH, "seed=1"]


@pytest.mark.parametrize("size", SIZES)
def test_every_size_composes_to_a_valid_run(size, tmp_path):
    run = compose_run([*SIZES[size], *ONE_EPOCH, "num_threads=1"], tmp_path)

    run.recipe.check(run.data.statistics["labels"])
    assert set(run.recipe.epochs().values()) == {1}


def test_size_131k_8_has_an_eighth_of_the_labels_and_points(tmp_path):
    whole, part = (
        compose_run([*SIZES[size], "num_threads=1"], tmp_path).data.sizes for size in ("131k", "131k/8")
    )

    for name in ("train_points", "test_points", "labels", "topics"):
        assert getattr(part, name) == pytest.approx(getattr(whole, name) / 8, rel=1e-3)
    assert (part.labels_per_point, part.tokens) == (whole.labels_per_point, whole.tokens)


def test_row_shows_one_run_or_the_range():
    assert Step("graph", Spread.of([3.0]), 5.5, 0.5).row() == ("graph", "3", "one run", "5.5", "0.50")
    assert Step("graph", Spread.of([1.0, 2.0]), 5.5, 0.5).row()[1:3] == ("1.5", "1 – 2")


def test_our_whole_recipe_reports_costs_and_metrics(overrides, tmp_path):
    found = measure(compose_run(overrides, tmp_path))

    assert found["training"]["seconds"] >= sum(found["steps"].values())
    assert found["epochs"] == {"surrogate": 1, "tree-0-shortlister": 1, "tree-0-ranker": 1}
    assert found["predict_ms_per_point"]["count"] == 3
    assert set(found["metrics"]) == {f"{kind}@{k}" for kind in ("P", "PSP") for k in (1, 3, 5)}
