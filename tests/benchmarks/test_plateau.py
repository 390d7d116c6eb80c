"""Tests of the benchmark of a recipe's sensitivity to its settings."""

import json

import pytest

from benchmarks import plateau
from xcgraph.errors import UserError


@pytest.fixture
def search(tmp_path):
    """Nine trials whose P@1 grows with the learning rate; ``seed`` is constant, ``experiment`` no number."""
    for trial in range(9):
        folder = tmp_path / f"trial-{trial}"
        folder.mkdir()
        rate, dropout = 0.001 * 2**trial, 0.1 * (trial % 3)
        overrides = [f"lr={rate}", f"dropout={dropout}", "seed=0", "experiment=joint"]
        (folder / "run.json").write_text(json.dumps({"overrides": overrides}))
        metrics = {"P@1": 0.2 + 0.01 * trial, "PSP@5": 0.3}
        (folder / "metrics.json").write_text(json.dumps({"validation": metrics, "test": {"P@1": 1.0}}))
    (tmp_path / "unfinished").mkdir()
    return tmp_path


def test_finished_trials_are_read_with_their_varied_settings(search):
    trials = plateau.read_trials(search)
    columns = plateau.varied(trials)
    assert list(columns) == ["lr", "dropout"]
    assert columns["lr"] == pytest.approx([0.001 * 2**trial for trial in range(9)])
    assert [trial.metrics["P@1"] for trial in trials] == pytest.approx(range(20, 29))


def test_table_shows_the_best_trial_in_each_third_of_a_range(search):
    rows = plateau.table(plateau.read_trials(search)).splitlines()[2:]
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    assert [cell[2:] for cell in cells[:3]] == [  # the range of a learning rate is logarithmic
        ["3", "22.00", "30.00"],
        ["3", "25.00", "30.00"],
        ["3", "28.00", "30.00"],
    ]
    assert [cell[1] for cell in cells[3:]] == ["0 – 0", "0.1 – 0.1", "0.2 – 0.2"]


def test_plot_writes_an_svg(search, tmp_path):
    plateau.plot(plateau.read_trials(search), tmp_path / "plateau.svg")
    assert (tmp_path / "plateau.svg").read_bytes().startswith(b"<?xml")


def test_folder_without_trials_is_refused(tmp_path):
    with pytest.raises(UserError, match=rf"{tmp_path}.*at least 2 finished trials, found 0"):
        plateau.read_trials(tmp_path)
