"""Tables of a report: means, differences, published results, costs and provenance."""

import shutil

import pytest

from xcgraph.report.published import Published, published_rows
from xcgraph.report.section import make_sections
from xcgraph.report.tables import (
    cost_table,
    difference_table,
    left_out_table,
    metric_tables,
    provenance_table,
    published_table,
)
from xcgraph.runs.folder import LeftOut, find_runs


def section_of(run_maker, sources):
    return make_sections(find_runs([run_maker.root])[0], sources, "eclare")[0][0]


def column(table, name):
    return {row[0].text: row[table.columns.index(name)] for row in table.rows}


@pytest.fixture
def skilled(run_maker, sources):
    """One experiment is clearly better than two others, which differ by chance."""
    for seed in (0, 1, 2):
        run_maker.make("eclare", seed, skill=0.9)
        run_maker.make("decaf", seed, skill=0.3, hops=0)
        run_maker.make("decaf_lite", seed, skill=0.31, hops=0, lite=True)
    return section_of(run_maker, sources)


def test_metrics_are_means_and_clear_winner_is_bold(skilled):
    main, rest = metric_tables(skilled)

    values = skilled.experiments[2].values("P@1")
    cell = column(main, "P@1")["eclare"]
    assert cell.order == pytest.approx(sum(values) / 3)
    assert cell.bold
    assert " ± " in cell.text
    assert not any(column(main, "P@1")[name].bold for name in ("decaf", "decaf_lite"))
    assert {*main.columns, *rest.columns} >= set(skilled.metrics)


def test_chance_difference_is_not_bold(run_maker, sources):
    for seed in (0, 1):
        run_maker.make("eclare", seed, skill=0.5)
        run_maker.make("decaf", seed, skill=0.51, hops=0)

    assert not any(
        cell.bold
        for table in metric_tables(section_of(run_maker, sources))
        for row in table.rows
        for cell in row
    )


def test_differences_from_base_have_interval(skilled):
    table = difference_table(skilled)

    assert table.title == "Differences from eclare"
    assert set(column(table, "P@1")) == {"decaf", "decaf_lite"}
    cell = column(table, "P@1")["decaf"]
    assert cell.order < -0.2
    assert cell.bold
    assert cell.text.startswith("-")
    assert "[-" in cell.text
    assert column(table, "common seeds")["decaf"].text == "3"


def test_differences_need_base_and_common_seeds(run_maker, sources):
    run_maker.make("decaf", 0)
    assert difference_table(section_of(run_maker, sources)) is None

    run_maker.make("eclare", 1)
    assert column(difference_table(section_of(run_maker, sources)), "P@1")["decaf"].text == "–"


def test_published_results_share_table_with_ours(skilled):
    row = Published(data="toy", method="OLD", source="a paper", values={"P@1": 12.5})

    table = published_table(skilled, [row, Published(data="x", method="y", source="z", values={"P@1": 1.0})])

    assert column(table, "P@1")["OLD"].text == "12.50"
    assert set(column(table, "source")) == {"decaf (ours)", "decaf_lite (ours)", "eclare (ours)", "OLD"}
    assert published_table(skilled, []) is None


def test_published_values_are_percentages_of_known_metrics():
    rows = published_rows()

    assert len({row.data for row in rows}) == 7
    metrics = {f"{name}@{k}" for name in ("P", "nDCG", "PSP", "PSnDCG") for k in (1, 3, 5)}
    for row in rows:
        assert set(row.values) <= metrics
        assert all(1 < value < 100 for value in row.values.values())
    eclare = next(row for row in rows if (row.data, row.method) == ("LF-AmazonTitles-131K", "ECLARE"))
    assert (eclare.values["P@1"], eclare.values["PSP@5"]) == (40.74, 44.70)


def test_costs_without_record_are_seconds_of_epochs(skilled):
    table = cost_table(skilled)

    assert column(table, "surrogate (s)")["eclare"].order == 4
    assert column(table, "ranker (s)")["eclare"].order == 7
    assert column(table, "total (s)")["eclare"].text == "11.0"
    assert column(table, "peak memory (MiB)")["eclare"].text == "100"


def test_recorded_costs_take_precedence(run_maker, sources):
    stages = {
        "graph": {"made": True, "seconds": 2.5, "peak_memory_mib": 90},
        "tree-0-ranker": {"made": False, "seconds": 9.0, "peak_memory_mib": 300},
        "surrogate": {"made": False, "seconds": None, "peak_memory_mib": None},
    }
    run_maker.make(facts={"stages": stages})

    table = cost_table(section_of(run_maker, sources))

    found = {name: column(table, f"{name} (s)")["eclare"].order for name in ("graph", "ranker", "surrogate")}
    assert found == {"graph": 2.5, "ranker": 9, "surrogate": 4}
    assert "beams-valid (s)" not in table.columns
    assert column(table, "peak memory (MiB)")["eclare"].text == "300"


def test_missing_stage_is_dash_in_cost_table(run_maker, sources):
    run_maker.make("eclare")
    shutil.rmtree(run_maker.make("ramen") / "stages" / "surrogate")

    table = cost_table(section_of(run_maker, sources))

    assert column(table, "surrogate (s)")["ramen"].text == "–"
    assert column(table, "total (s)")["ramen"].text == "7.0"


def test_provenance_shows_fields_of_run_json(run_maker, sources):
    run_maker.make("eclare", 0)
    facts = {"command": "xcgraph-train hops=2", "git": {"commit": "a" * 40, "dirty": True}}
    run_maker.make("eclare", 1, facts=facts)

    first, second = provenance_table(section_of(run_maker, sources)).rows

    assert [cell.text for cell in first[2:5]] == ["–", "python 3.11, xcgraph 0.1.0, torch 2.9", "–"]
    assert [cell.text for cell in second[2:5:2]] == ["xcgraph-train hops=2", f"{'a' * 12} (changed)"]


def test_left_out_runs_are_listed(tmp_path):
    assert left_out_table([]) is None
    assert left_out_table([LeftOut(tmp_path, "unfinished")]).rows[0][1].text == "unfinished"
