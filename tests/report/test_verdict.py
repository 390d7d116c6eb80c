import math

import pytest

from xcgraph.errors import UserError
from xcgraph.report.published import Published
from xcgraph.report.statistics import Summary
from xcgraph.report.tables import MAIN_METRICS
from xcgraph.report.verdict import (
    DEVIATIONS,
    Comparison,
    Recorded,
    compare_published,
    compare_recorded,
    read_recorded,
    verdict_table,
    write_recorded,
)


def recorded(**stds):
    metrics = {cell: {"P@1": Summary(0.5, std, 3)} for cell, std in stds.items()}
    return Recorded(metrics=metrics, seconds=dict.fromkeys(stds, 1.0))


def test_spread_is_pooled_over_cells():
    assert recorded(a=0.03, b=0.04).spread("P@1") == pytest.approx(math.sqrt((9 + 16) / 2) / 100)
    assert recorded(a=0.03, b=None).spread("P@1") == pytest.approx(0.03)
    assert recorded(a=None).spread("P@1") == 0


def test_tolerance_is_three_standard_errors_of_a_difference():
    (comparison,) = compare_recorded({"a": [{"P@1": 0.5}, {"P@1": 0.52}]}, recorded(a=0.01))
    assert comparison.found == pytest.approx(0.51)
    assert comparison.tolerance == pytest.approx(DEVIATIONS * 0.01 * math.sqrt(1 / 2 + 1 / 3))
    assert comparison.holds


@pytest.mark.parametrize(("value", "holds"), [(0.5, True), (0.4, False), (0.6, False)])
def test_value_outside_on_either_side_does_not_hold(value, holds):
    (comparison,) = compare_recorded({"a": [{"P@1": value}] * 3}, recorded(a=0.01))
    assert comparison.holds == holds


def test_cell_without_records_has_no_comparison():
    assert compare_recorded({"b": [{"P@1": 0.1}]}, recorded(a=0.01)) == []


def test_value_above_a_published_one_holds():
    rows = [
        Published(data="D", method="ECLARE", source="", values={"P@1": 40.0}),
        Published(data="E", method="ECLARE", source="", values={"P@1": 90.0}),
    ]
    for value, holds in ((0.5, True), (0.395, True), (0.385, False)):
        found = {"x": [{"P@1": value}], "y": [{"P@1": 0.0}]}
        (comparison,) = compare_published(found, "D", {"x": "ECLARE", "z": "ECLARE"}, rows)
        assert (comparison.expected, comparison.holds) == (0.4, holds)


def test_table_begins_with_comparisons_that_do_not_hold():
    good = Comparison(cell="a", metric="P@1", found=0.5, expected=0.5, tolerance=0.01)
    bad = Comparison(cell="b", metric="P@1", found=0.4, expected=0.5, tolerance=0.01)
    rows = verdict_table([good, bad]).rows
    assert [row[0].text for row in rows] == ["b", "a"]
    assert [cell.text for cell in rows[0][2:]] == ["40.00", "50.00", "±1.00", "no"]
    assert [row[2].bold for row in rows] == [True, False]


def test_written_records_are_read_again(tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    monkeypatch.setattr("xcgraph.report.suites.resources.files", lambda package: tmp_path)  # noqa: ARG005
    found = {"experiment=a": [dict.fromkeys(MAIN_METRICS, value) for value in (0.25, 0.27)]}
    write_recorded(tmp_path / "data" / "main.records.yaml", found, {"experiment=a": 12.345})

    read = read_recorded("data", "main")

    assert read.seconds == {"experiment=a": 12.3}
    assert tuple(read.metrics["experiment=a"]) == MAIN_METRICS
    summary = read.metrics["experiment=a"]["P@1"]
    assert (summary.mean, summary.runs) == (pytest.approx(0.26), 2)
    assert summary.std == pytest.approx(0.01414, abs=1e-5)
    assert read_recorded("data", "full") is None


def test_error_of_unwritable_records_names_the_file(tmp_path):
    with pytest.raises(UserError, match=r"Cannot write .*: No such file"):
        write_recorded(tmp_path / "absent" / "a.yaml", {}, {})
