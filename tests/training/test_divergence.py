"""A loss that is not finite stops the training, and its step can be repeated bit for bit."""

from functools import partial

import pytest
import torch

from xcgraph.data.batching import AllLabelsDataset
from xcgraph.data.shared_labels import SharedLabelsDataset
from xcgraph.errors import DivergedError
from xcgraph.tasks.xc_task import XCTask
from xcgraph.training.checkpoints import load_tensors
from xcgraph.training.divergence import DIVERGED, BadStep
from xcgraph.training.stage import WEIGHTS

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # Lightning's advice

BAD = 13  # the third step of the second epoch: 160 points in batches of 16


@pytest.fixture
def breaker(monkeypatch):
    """Makes the loss of one step NaN, and records the original loss and the batch."""
    seen = []
    step = XCTask.training_step

    def break_one(task, batch):
        loss = step(task, batch)
        seen.append((loss.detach().clone(), batch))
        return loss * torch.nan if len(seen) == BAD else loss

    monkeypatch.setattr(XCTask, "training_step", break_one)
    return seen


def fit(toy, folder, **changes):
    work, stage = toy.workspace(folder / "store"), toy.stage(**changes)
    task = toy.tied_task()
    points = AllLabelsDataset(work.train), AllLabelsDataset(work.valid)
    stage.fit(task, points, work.label_metrics(), folder=folder, title="surrogate", seed=1)
    return stage


@pytest.mark.parametrize("kind", ["all labels", "shortlist", "shared labels"])
def test_bad_step_round_trips(toy, tmp_path, kind):
    work = toy.workspace(tmp_path / "store")
    targets = {
        "all labels": AllLabelsDataset,
        "shortlist": toy.shortlisted,
        "shared labels": partial(SharedLabelsDataset, num_drawn=5, seed=0),
    }[kind](work.train)
    batch = targets[torch.arange(8).numpy()]
    bad = BadStep(
        epoch=2,
        step=3,
        loss=torch.inf,
        batch=batch,
        weights={"bias": torch.ones(1)},
        random_state={"cpu": torch.ones(3)},
        broken=["bias"],
    )
    bad.save(tmp_path / "bad.ckpt")

    found = BadStep.load(tmp_path / "bad.ckpt")

    assert (found.epoch, found.step, found.loss, found.broken) == (2, 3, torch.inf, ["bias"])
    assert torch.equal(found.batch.tokens.weights, batch.tokens.weights)
    assert torch.equal(found.batch.positives, batch.positives)
    for name in ("shortlist", "shared"):
        before, after = getattr(batch, name), getattr(found.batch, name)
        assert type(after) is type(before)
        assert before is None or torch.equal(after.label_ids, before.label_ids)


def test_training_stops_before_the_bad_step_changes_weights(toy, tmp_path, breaker):
    with pytest.raises(DivergedError, match=r"surrogate diverged: .* step 3 of epoch 2, found nan; lower"):
        fit(toy, tmp_path)

    assert len(breaker) == BAD
    assert not (tmp_path / WEIGHTS).exists()
    assert BadStep.load(tmp_path / DIVERGED).broken == []


def test_bad_step_can_be_repeated_with_the_same_dropout(toy, tmp_path, breaker):
    with pytest.raises(DivergedError):
        fit(toy, tmp_path)
    bad, (expected, batch) = BadStep.load(tmp_path / DIVERGED), breaker[-1]
    task = toy.tied_task()
    task.load_state_dict(bad.weights)
    task.random_state = bad.random_state

    loss = toy.stage().take_step(task, bad.batch)

    assert torch.equal(bad.batch.tokens.tokens, batch.tokens.tokens)
    assert torch.equal(loss, expected)
    assert not torch.equal(toy.stage().take_step(_other_dropout(task), bad.batch), expected)


def _other_dropout(task):
    torch.manual_seed(5)
    task.random_state = {"cpu": torch.get_rng_state()}
    return task


def test_error_names_weights_that_were_not_finite_before_the_step(toy, tmp_path):
    with pytest.raises(DivergedError, match="was not finite even before this step; lower the learning rate"):
        fit(toy, tmp_path, lr=1e38)

    assert BadStep.load(tmp_path / DIVERGED).broken


@pytest.mark.usefixtures("breaker")
def test_successful_training_saves_no_step(toy, tmp_path):
    with pytest.raises(DivergedError):
        fit(toy, tmp_path)
    fit(toy, tmp_path)  # the bad step was the thirteenth

    undisturbed = tmp_path / "undisturbed"
    fit(toy, undisturbed)
    assert not (tmp_path / DIVERGED).exists()
    first, second = (load_tensors(folder / WEIGHTS) for folder in (tmp_path, undisturbed))
    assert all(torch.equal(first[name], second[name]) for name in first)
