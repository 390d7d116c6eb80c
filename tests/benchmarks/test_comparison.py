"""Tests of the table that compares xcgraph with the reference and other libraries."""

import pytest

from benchmarks.__main__ import LONG, SHORT, parse, run_all, variants
from benchmarks.comparison import Contest, rows
from benchmarks.process import compose_run
from benchmarks.reference.__main__ import parse as parse_reference
from benchmarks.stages import SIZES


def measured(seconds, milliseconds, psp):
    return {
        "training": {"seconds": seconds, "cpu_seconds": 2 * seconds},
        "predict_ms_per_point": {"median": milliseconds},
        "peak_gib": 1.0,
        "metrics": {"P@1": 0.25, "P@5": 0.1, "PSP@1": 0.15, "PSP@5": psp},
    }


REFERENCE = {
    **measured(1, 2.0, 0.2),
    "whole_recipe": {"seconds": 600.0, "cpu_seconds": 1100.0},
    "epochs": {name: {"seconds": 10.0} for name in ("surrogate", "shortlister", "ranker")},
    "is_whole": True,
}


def cells(contest):
    return {quantity: found for _, quantity, *found in rows(contest)}


def test_table_divides_the_reference_by_ours_and_shows_peers():
    pecos = {**measured(2.0, 0.2, 0.24), "single_query": {"p50_ms": 0.3, "p99_ms": 0.7}}
    steps = {"surrogate": 2.0, "tree-0-shortlister": 4.0, "tree-0-ranker": 0.5}

    found = cells(Contest("8K", measured(60.0, 0.5, 0.33), REFERENCE, {"pecos": pecos}, steps))

    assert found["training, s"] == ["60", "600", "10", "2", "–"]
    assert found["one epoch of the ranker, s"] == ["0.5", "10", "20", "–", "–"]
    assert found["prediction in a batch, ms/point"] == ["0.5", "2", "4", "0.2", "–"]
    assert found["single query, p99 ms"] == ["–", "–", "–", "0.7", "–"]
    assert found["PSP@5, %"] == ["33", "20", "–", "24", "–"]  # accuracies have no ratio


def test_accuracy_of_a_partly_trained_reference_is_not_shown():
    found = cells(Contest("8K", measured(60.0, 0.5, 0.33), {**REFERENCE, "is_whole": False}, {}, {}))

    assert found["PSP@5, %"][:2] == ["33", "–"]
    assert found["training, s"][1] == "600"


def test_rows_without_any_measurement_are_omitted():
    assert rows(Contest("8K", None, None, {}, {})) == []
    assert len(rows(Contest("8K", None, None, {}, {"surrogate": 2.0}))) == 1


@pytest.mark.parametrize("sizes", [SHORT, LONG], ids=["short", "long"])
def test_every_planned_size_has_valid_flags_and_overrides(sizes, tmp_path):
    for size in sizes.values():
        assert size.stages in SIZES
        options, overrides = parse_reference(size.reference)
        assert options.meta_labels & (options.meta_labels - 1) == 0
        assert any(override.startswith("data=") for override in overrides)
        for ours in (size.ours or (), *size.variants.values()):
            compose_run(ours, tmp_path)


def test_variants_are_compared_with_the_same_reference(monkeypatch):
    asked = []

    def run(module, *overrides):
        asked.append((module, overrides))
        return measured(30.0, 0.5, 0.33)

    monkeypatch.setitem(variants.__globals__, "run_module", run)
    size = SHORT["8k"]._replace(variants={"large": ("num_trees=1",)})

    (contest,) = variants(size, Contest("8K", measured(60.0, 0.5, 0.33), REFERENCE, {}, {}))

    assert asked == [("benchmarks.ours", ("num_trees=1",))]
    assert {row[0] for row in rows(contest)} == {"8K, large"}
    assert not any("epoch" in quantity for quantity in cells(contest))  # only the reference has epoch times
    assert float(cells(contest)["training, s"][2]) == pytest.approx(REFERENCE["whole_recipe"]["seconds"] / 30)


def test_page_has_commit_machine_and_tables(tmp_path, monkeypatch):
    (tmp_path / "prints_a_table.py").write_text("print('other output'); print('| parse alone |')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setitem(run_all.__globals__["OTHERS"], "parse", ("prints_a_table",))

    page = run_all(parse(["--parts", "parse"]).parts, SHORT, tmp_path)

    assert "commit" in page
    assert "cores" in page
    assert "## parse\n\n| parse alone |\n" in page
