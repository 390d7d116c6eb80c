"""Tests of the benchmark of growth exponents."""

import pytest

from benchmarks import growth
from benchmarks.process import compose_run

pytestmark = pytest.mark.usefixtures("one_thread")


def test_fit_exponent_recovers_a_power_law():
    values = [3, 10, 25, 100]

    assert growth.fit_exponent(values, [0.01 * value**1.7 for value in values]) == pytest.approx(1.7)
    assert growth.fit_exponent(values, [2.0] * 4) == pytest.approx(0)


@pytest.mark.parametrize(
    ("axis", "value", "changes"),
    [(axis, value, changes) for axis, by_value in growth.AXES.items() for value, changes in by_value.items()],
)
def test_every_value_composes_to_a_valid_run(axis, value, changes, tmp_path):
    run = compose_run([*growth.BASE, *growth.ONE_EPOCH, *changes, "num_threads=1"], tmp_path)

    run.recipe.check(run.data.sizes.labels)
    found = {
        "labels": run.data.sizes.labels,
        "points": run.data.sizes.train_points,
        "hops": run.recipe.network.propagation.hops,
        "neighbours": run.recipe.graph.num_neighbors,
        "beam": run.recipe.shortlister.beam_size,
    }
    assert found[axis] == value


def test_stages_are_measured_tabulated_and_plotted(tiny_overrides, tmp_path, monkeypatch):
    few = {count: [f"shortlister.beam_size={count}"] for count in (6, 24)}
    monkeypatch.setitem(growth.AXES, "beam", few)

    found = {"beam": growth.measure("beam", tiny_overrides, tmp_path, runs=1)}
    growth.plot(found, tmp_path / "growth.png")

    assert list(found["beam"]) == [6, 24]
    assert set(found["beam"][6]) == set(growth.STAGES.values())
    assert found["beam"][6]["ranker, one epoch"] > 0
    assert len(growth.table(found).splitlines()) == 2 + len(growth.STAGES)
    assert (tmp_path / "growth.png").read_bytes().startswith(b"\x89PNG")
