"""A training that several processes share gives the result of a single process."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from pytorch_lightning import Trainer
from pytorch_lightning.strategies import DDPStrategy
from scipy.sparse import csr_array

from xcgraph.data.batching import AllLabelsDataset, WeightedLabelsDataset
from xcgraph.errors import DivergedError, UserError
from xcgraph.graph.random_walk import RandomWalkGraph
from xcgraph.nn.encoder import BagOfTokens, ShiftedSumOfTokens
from xcgraph.nn.fusion import AttentionFusion
from xcgraph.nn.likelihood import Logistic
from xcgraph.nn.refinement import RefinementVectors, ZeroRefinementVectors
from xcgraph.recipes.anchors import LabelAnchors
from xcgraph.recipes.points import CooccurrenceLabelTexts
from xcgraph.recipes.shortlister import meta_points
from xcgraph.tasks.label_network import LabelInputs
from xcgraph.tasks.xc_task import XCTask
from xcgraph.training.checkpoints import load_tensors
from xcgraph.training.curves import read_curves
from xcgraph.training.divergence import DIVERGED, BadStep
from xcgraph.training.stage import CURVES, WEIGHTS

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")  # Lightning's

# Forked processes start faster than spawned ones, which import all modules again.
TWO_PROCESSES = partial(Trainer, accelerator="cpu", devices=2, strategy="ddp_fork")
# Dropout differs between one and two processes.
NO_DROPOUT = {
    "encoder": partial(BagOfTokens, dim=16, dropout=0.0),
    "fusion": partial(AttentionFusion, dropout=0.0),
    "surrogate_fusion": partial(AttentionFusion, dropout=0.0),
    "label_dropout": 0.0,
}
# The order of sums differs, and Adam amplifies small gradients at first.
TOLERANCE = {"atol": 2e-4, "rtol": 1e-3}


def anchors(work):
    graph = RandomWalkGraph(walk_length=40, num_neighbors=4)
    return LabelAnchors(graph=graph, num_anchors=3).find(work)


def both(work, targets):
    return targets(work.train), targets(work.valid)


def surrogate(toy, work):
    return toy.tied_task(**NO_DROPOUT), both(work, AllLabelsDataset)


def regularized(toy, work):
    """Random labels, pruned anchors, and a λ that depends on the loss of the whole step."""
    task = toy.regularization().add_to(toy.tied_task(**NO_DROPOUT), anchors(work), work.label_features)
    return task, both(work, AllLabelsDataset)


def shortlister(toy, work):
    """Each point is scored against all meta-labels, which have refinement vectors."""
    tasks, metas = toy.network(**NO_DROPOUT), toy.meta_labels
    texts = metas.meta_features(work.label_features)
    labels = LabelInputs(texts, csr_array(np.eye(metas.num_meta_labels, dtype=np.float32)))
    encoder = tasks.surrogate.build(labels, 0.1).encoder
    return tasks.build(labels, 0.1, encoder), both(work, lambda split: meta_points(split, metas))


def ranker(toy, work):
    """Refinement vectors have sparse gradients."""
    return toy.frozen_task(**NO_DROPOUT), both(work, toy.shortlisted)


def dense_ranker(toy, work):
    dense = partial(RefinementVectors, sparse_gradients=False)
    return toy.frozen_task(**NO_DROPOUT, refinement=dense), both(work, toy.shortlisted)


def dual_encoder(toy, work):
    tasks = toy.dual_network(encoder=NO_DROPOUT["encoder"], dropout=0.0)
    return tasks.build(work.label_features, work.train.labels, anchors(work)), both(work, AllLabelsDataset)


def joint(toy, work, **changes):
    """A softmax over all labels, with label texts as points with graded relevance."""
    encoder = partial(ShiftedSumOfTokens, dim=16, dropout=0.0, sparse_gradients="refinement" in changes)
    tasks = replace(toy.joint().network, encoder=encoder, label_dropout=0.0, **changes)
    points = CooccurrenceLabelTexts().select(work.train, work.label_features, toy.graph)
    return tasks.build(toy.labels, 0.05), (WeightedLabelsDataset(points), AllLabelsDataset(work.valid))


def sparse_joint(toy, work):
    """A logistic loss per label; tokens and free vectors have sparse gradients."""
    sparse = partial(ZeroRefinementVectors, sparse_gradients=True)
    return joint(toy, work, refinement=sparse, likelihood=Logistic())


STAGES = [surrogate, regularized, shortlister, ranker, dense_ranker, dual_encoder, joint, sparse_joint]


def fit(toy, folder, make_task, **changes):
    """Train for two epochs; the last step has 7 or 15 points, so the processes get different numbers."""
    folder.mkdir()
    work = toy.workspace(folder / "store", validation_fraction=0.165)
    torch.manual_seed(0)
    task, points = make_task(toy, work)
    stage = toy.stage(max_epochs=2, **changes)
    stage.fit(task, points, work.label_metrics(), folder=folder, title="toy", seed=1)
    return task, stage.predict(task, points[1], 10)


@pytest.mark.parametrize("make_task", STAGES)
def test_two_processes_give_the_weights_of_one(make_task, toy, tmp_path, record_property):
    """``pytest --junitxml=FILE`` writes the differences into its report."""
    _, expected = fit(toy, tmp_path / "one", make_task)
    task, found = fit(toy, tmp_path / "two", make_task, trainer=TWO_PROCESSES)

    alone, shared = (load_tensors(tmp_path / name / WEIGHTS) for name in ("one", "two"))
    assert alone.keys() == shared.keys()
    if make_task is joint:  # a softmax does not depend on the bias: its gradient is rounding error
        del alone["classifier.bias"], shared["classifier.bias"]
    apart = [float((tensor - alone[name]).abs().max()) for name, tensor in shared.items() if tensor.numel()]
    record_property("weights", f"{max(apart):.1e}")
    for name, tensor in shared.items():
        torch.testing.assert_close(tensor, alone[name], **TOLERANCE, msg=lambda text, name=name: name + text)
        assert torch.equal(tensor, task.state_dict()[name])
    torch.testing.assert_close(found.toarray(), expected.toarray(), **TOLERANCE)

    rows = [read_curves(tmp_path / name / CURVES) for name in ("one", "two")]
    assert [row["epoch"] for row in rows[1]] == [1, 2]
    apart = []
    for one, two in zip(*rows, strict=True):
        for name in set(one) - {"seconds"}:  # metrics over all points, not those of one process
            assert two[name] == pytest.approx(one[name], rel=1e-3, abs=1e-6), name
            apart.append(abs(two[name] / one[name] - 1) if one[name] else 0.0)
    record_property("losses and metrics", f"{max(apart):.1e}")


def test_bad_loss_in_one_process_stops_all(toy, tmp_path, monkeypatch):
    take_step, taken = XCTask.training_step, []

    def break_one(task, batch):
        loss = take_step(task, batch)
        taken.append(batch)
        broken = len(taken) == 13 and task.step_of(batch).rank == 1
        return loss * torch.nan if broken else loss

    monkeypatch.setattr(XCTask, "training_step", break_one)
    with pytest.raises(DivergedError, match=r"^toy diverged: .* in step 2 of epoch 2, found nan; lower"):
        fit(toy, tmp_path / "two", surrogate, trainer=TWO_PROCESSES)
    assert not (tmp_path / "two" / WEIGHTS).exists()
    assert len(BadStep.load(tmp_path / "two" / DIVERGED).batch) == 8  # its own part of the batch


def test_more_processes_than_points_per_step_are_refused(toy):
    with pytest.raises(
        UserError, match=r"for each of 2 processes, found 1; raise it or lower trainer.devices"
    ):
        toy.stage(trainer=TWO_PROCESSES, batch_size=1).check(toy.frozen_task())


def test_spawned_processes_on_several_machines_are_refused(toy):
    task = toy.frozen_task()
    toy.stage(trainer=TWO_PROCESSES).check(task)
    with pytest.raises(UserError, match=r"strategy=ddp for num_nodes=2, found .* choose trainer=ddp"):
        toy.stage(trainer=partial(TWO_PROCESSES, num_nodes=2)).check(task)


@pytest.mark.parametrize("sparse", ["refinement", "encoder"])
def test_sparse_gradients_are_refused_where_processes_cannot_exchange_them(sparse, toy):
    def task(which):
        refinement = partial(RefinementVectors, sparse_gradients=which == "refinement")
        encoder = partial(BagOfTokens, dim=16, sparse_gradients=which == "encoder")
        return (
            toy.tied_task(encoder=encoder) if which == "encoder" else toy.frozen_task(refinement=refinement)
        )

    def trainer(**options):
        strategy = DDPStrategy(process_group_backend="nccl")
        return Trainer(accelerator="cpu", devices=2, strategy=strategy, **options)

    stage = toy.stage(trainer=trainer)
    stage.check(task("none"))
    with pytest.raises(UserError, match=r"expected dense .* set \+\+refinement\.sparse_gradients=false"):
        stage.check(task(sparse))
    toy.stage(trainer=TWO_PROCESSES).check(task(sparse))
