import csv
import pickle
from types import SimpleNamespace
from unittest.mock import create_autospec

import pytest
import torch
from pytorch_lightning import LightningModule, Trainer

from xcgraph.training.curves import EpochCurves, read_curves

MODULE = create_autospec(LightningModule, instance=True)


def make_trainer(epoch, **metrics):
    trainer = create_autospec(Trainer, instance=True)
    trainer.current_epoch = epoch
    trainer.callback_metrics = {name: torch.tensor(value) for name, value in metrics.items()}
    trainer.optimizers = [SimpleNamespace(param_groups=[{"lr": 0.5 / (epoch + 1)}, {"lr": 9.0}])]
    return trainer


def run_epochs(curves, epochs):
    for epoch in epochs:
        trainer = make_trainer(epoch, loss=3.0 - epoch, recall=epoch / 4)
        curves.on_train_epoch_start(trainer, MODULE)
        curves.on_train_epoch_end(trainer, MODULE)


def read(path):
    with path.open(newline="") as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]


def test_one_row_per_epoch(tmp_path):
    run_epochs(EpochCurves(tmp_path / "curves.csv"), range(3))
    rows = read(tmp_path / "curves.csv")
    assert all(0 <= row.pop("seconds") < 10 for row in rows)
    assert rows == [
        {"epoch": 1, "lr": 0.5, "loss": 3, "recall": 0},
        {"epoch": 2, "lr": 0.25, "loss": 2, "recall": 0.25},
        {"epoch": 3, "lr": pytest.approx(0.5 / 3), "loss": 1, "recall": 0.5},
    ]


def test_file_exists_after_the_first_epoch(tmp_path):
    run_epochs(EpochCurves(tmp_path / "curves.csv"), range(1))
    assert len(read(tmp_path / "curves.csv")) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["curves.csv"]


def test_resumed_curves_include_earlier_rows(tmp_path):
    undisturbed, first, second = (EpochCurves(tmp_path / name) for name in ("a.csv", "b.csv", "b.csv"))
    run_epochs(undisturbed, range(4))
    run_epochs(first, range(2))
    state = first.state_dict()
    run_epochs(first, [2])  # an epoch after the checkpoint, repeated below
    second.load_state_dict(state)
    run_epochs(second, [2, 3])
    expected, found = read(tmp_path / "a.csv"), read(tmp_path / "b.csv")
    for row in (*expected, *found):
        del row["seconds"]
    assert found == expected


def test_state_is_plain(tmp_path):
    curves = EpochCurves(tmp_path / "curves.csv")
    run_epochs(curves, range(2))
    values = [value for row in curves.state_dict()["rows"] for value in row.values()]
    assert {type(value) for value in values} == {float, int}


def test_all_rows_so_far_are_reported_after_each_epoch(tmp_path):
    reported = []
    curves = EpochCurves(tmp_path / "curves.csv", lambda rows: reported.append(len(rows)))
    run_epochs(curves, range(2))
    state = curves.state_dict()
    resumed = EpochCurves(tmp_path / "curves.csv", lambda rows: reported.append(len(rows)))
    resumed.load_state_dict(state)
    run_epochs(resumed, [2])
    assert reported == [1, 2, 3]
    assert read_curves(tmp_path / "curves.csv") == read(tmp_path / "curves.csv")


def test_report_callback_is_not_pickled(tmp_path):
    reported = []
    curves = EpochCurves(tmp_path / "curves.csv", lambda rows: reported.append(rows))
    sent = pickle.loads(pickle.dumps(curves))
    run_epochs(sent, range(1))
    assert len(read(tmp_path / "curves.csv")) == 1
    assert reported == []
