"""Training that several processes share: it ends where one process with larger batches ends."""

import csv
from functools import partial

import pytest
import torch
from pytorch_lightning import Trainer

from xcgraph.errors import UserError
from xcgraph.nn.encoder import BagOfTokens
from xcgraph.nn.fusion import AttentionFusion
from xcgraph.pipeline.checkpoints import load_tensors
from xcgraph.pipeline.stage import CURVES, WEIGHTS

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # Lightning's advice

TWO_PROCESSES = partial(Trainer, accelerator="cpu", devices=2, strategy="ddp_spawn")
# Processes drop other units than one process does.
NO_DROPOUT = {
    "encoder": partial(BagOfTokens, dim=32, dropout=0.0),
    "fusion": partial(AttentionFusion, dropout=0.0),
    "label_dropout": 0.0,
}


def fit(toy, folder, **changes):
    """Train a ranker, whose refinement vectors have sparse gradients; the last step has 2 points."""
    folder.mkdir()
    work = toy.workspace(folder / "store", validation_fraction=0.19)
    task = toy.frozen_task(**NO_DROPOUT)
    points = toy.shortlisted(work.train), toy.shortlisted(work.valid)
    stage = toy.stage(max_epochs=2, **changes)
    stage.fit(task, points, work.label_metrics(), folder=folder, title="toy", seed=1)
    return task, stage.predict(task, points[1], 10)


def test_two_processes_end_where_one_with_twice_the_batch_ends(toy, tmp_path):
    _, expected = fit(toy, tmp_path / "one", batch_size=16)
    task, found = fit(toy, tmp_path / "two", batch_size=8, trainer=TWO_PROCESSES)

    alone, shared = (load_tensors(tmp_path / name / WEIGHTS) for name in ("one", "two"))
    assert alone.keys() == shared.keys()
    for name, tensor in shared.items():
        torch.testing.assert_close(tensor, alone[name], atol=1e-4, rtol=1e-3)
        assert torch.equal(tensor, task.state_dict()[name])
    torch.testing.assert_close(found.toarray(), expected.toarray(), atol=1e-4, rtol=1e-3)

    rows = [list(csv.DictReader((tmp_path / name / CURVES).open())) for name in ("one", "two")]
    assert [row["epoch"] for row in rows[1]] == ["1", "2"]
    for one, two in zip(*rows, strict=True):
        for name in set(one) - {"seconds"}:  # metrics over all points, not over one process's
            assert float(two[name]) == pytest.approx(float(one[name]), rel=1e-3), name


def test_processes_that_would_each_run_the_whole_recipe_are_refused(toy):
    task = toy.frozen_task()
    toy.stage(trainer=TWO_PROCESSES).check(task)
    with pytest.raises(UserError, match=r"expected strategy=ddp_spawn .* set trainer\.strategy"):
        toy.stage(trainer=partial(TWO_PROCESSES, strategy="ddp")).check(task)
