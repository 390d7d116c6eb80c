"""Trackers that write files: reads the files back."""

import builtins
import csv

import pytest

from xcgraph.errors import UserError
from xcgraph.tracking.csv_file import EPOCHS, CsvTracker
from xcgraph.tracking.none import NoTracker
from xcgraph.tracking.tensorboard_events import EVENTS, TensorBoardTracker
from xcgraph.tracking.tracker import RunEnd, RunStart, Tracker

ROWS = [{"epoch": 1.0, "lr": 0.5, "val/P@1": 0.25}, {"epoch": 2.0, "lr": 0.125, "val/P@1": 0.75}]


def track(tracker, folder):
    config = {"hops": 1, "graph": {"_target_": "here"}}
    tracker.start(
        RunStart(name="run", group=None, job_type="eclare", tags=("hops=1",), config=config, folder=folder)
    )
    for stage in ("surrogate", "tree-0-ranker"):
        for row in ROWS:
            tracker.log(stage, row)
    tracker.finish(RunEnd(metrics={"validation": {"P@1": 0.5}, "test": {"P@1": 0.375}}))


@pytest.mark.parametrize("kind", [NoTracker, CsvTracker, TensorBoardTracker])
def test_tracker_can_be_finished_before_it_started(kind):
    assert isinstance(kind(), Tracker)
    kind().finish(RunEnd(error="the tracker could not start"))


def test_csv_has_one_line_per_stage_epoch_and_metric(tmp_path):
    track(CsvTracker(), tmp_path)
    track(CsvTracker(), tmp_path)  # a resumed run reports all of its epochs again
    with (tmp_path / EPOCHS).open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 8
    found = {(line["stage"], int(line["epoch"]), line["metric"]): float(line["value"]) for line in lines}
    for stage in ("surrogate", "tree-0-ranker"):
        for row in ROWS:
            for name in ("lr", "val/P@1"):
                assert found[stage, row["epoch"], name] == row[name]


def test_tensorboard_has_one_scalar_per_stage_and_metric(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    track(TensorBoardTracker(), tmp_path)
    events = EventAccumulator(str(tmp_path / EVENTS)).Reload()
    points = {
        tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]
    }
    curve = {"lr": [(1, 0.5), (2, 0.125)], "val/P@1": [(1, 0.25), (2, 0.75)]}
    assert points == {
        **{f"{stage}/{name}": curve[name] for stage in ("surrogate", "tree-0-ranker") for name in curve},
        "validation/P@1": [(0, 0.5)],
        "test/P@1": [(0, 0.375)],
    }
    (text,) = events.Tensors("config/text_summary")
    assert b'"hops": 1' in text.tensor_proto.string_val[0]


def test_missing_tensorboard_is_refused_with_install_command(tmp_path, monkeypatch):
    original = builtins.__import__

    def without_tensorboard(name, *args, **kwargs):
        if name == "torch.utils.tensorboard":
            raise ImportError(name)
        return original(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_tensorboard)
    with pytest.raises(UserError, match=r"logger=tensorboard .*pip install 'xcgraph\[tensorboard\]'"):
        track(TensorBoardTracker(), tmp_path)
