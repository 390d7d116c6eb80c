"""Training that several processes share: it ends where one process ends that takes the same steps."""

from functools import partial

import pytest
import torch
from pytorch_lightning import Trainer
from pytorch_lightning.strategies import DDPStrategy

from xcgraph.data.batching import FullTargets
from xcgraph.errors import UserError
from xcgraph.graph.random_walk import RandomWalkGraph
from xcgraph.nn.encoder import BagOfTokens
from xcgraph.nn.fusion import AttentionFusion
from xcgraph.nn.refinement import RefinementVectors
from xcgraph.pipeline.anchors import LabelAnchors
from xcgraph.pipeline.checkpoints import load_tensors
from xcgraph.pipeline.curves import read_curves
from xcgraph.pipeline.stage import CURVES, WEIGHTS

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")  # Lightning's

# Forked rather than spawned: spawned ones take seconds to import what they need.
TWO_PROCESSES = partial(Trainer, accelerator="cpu", devices=2, strategy="ddp_fork")
# Processes drop other units than one process does.
NO_DROPOUT = {
    "encoder": partial(BagOfTokens, dim=16, dropout=0.0),
    "fusion": partial(AttentionFusion, dropout=0.0),
    "surrogate_fusion": partial(AttentionFusion, dropout=0.0),
    "label_dropout": 0.0,
}
# Sums come in another order, and Adam makes much of small gradients at first.
TOLERANCE = {"atol": 2e-4, "rtol": 1e-3}


def anchors(work):
    graph = RandomWalkGraph(walk_length=40, num_neighbors=4)
    return LabelAnchors(graph=graph, num_anchors=3).find(work)


def surrogate(toy, _):
    return toy.tied_task(**NO_DROPOUT), FullTargets


def regularized(toy, work):
    """Labels drawn at random, pruned anchors, and λ drawn by what the whole step reached."""
    task = toy.regularization().add_to(toy.tied_task(**NO_DROPOUT), anchors(work), work.label_features)
    return task, FullTargets


def ranker(toy, _):
    """Refinement vectors have sparse gradients."""
    return toy.frozen_task(**NO_DROPOUT), toy.shortlisted


def dense_ranker(toy, _):
    dense = partial(RefinementVectors, sparse_gradients=False)
    return toy.frozen_task(**NO_DROPOUT, refinement=dense), toy.shortlisted


def dual_encoder(toy, work):
    tasks = toy.dual_tasks(encoder=NO_DROPOUT["encoder"], dropout=0.0)
    return tasks.build(work.label_features, work.train.labels, anchors(work)), FullTargets


def fit(toy, folder, make_task, **changes):
    """Train for two epochs, whose last step has 7 points: processes have different numbers of them."""
    folder.mkdir()
    work = toy.workspace(folder / "store", validation_fraction=0.165)
    torch.manual_seed(0)
    task, targets = make_task(toy, work)
    points = targets(work.train), targets(work.valid)
    stage = toy.stage(max_epochs=2, **changes)
    stage.fit(task, points, work.label_metrics(), folder=folder, title="toy", seed=1)
    return task, stage.predict(task, points[1], 10)


@pytest.mark.parametrize("make_task", [surrogate, regularized, ranker, dense_ranker, dual_encoder])
def test_two_processes_end_where_one_ends(make_task, toy, tmp_path):
    _, expected = fit(toy, tmp_path / "one", make_task)
    task, found = fit(toy, tmp_path / "two", make_task, trainer=TWO_PROCESSES)

    alone, shared = (load_tensors(tmp_path / name / WEIGHTS) for name in ("one", "two"))
    assert alone.keys() == shared.keys()
    for name, tensor in shared.items():
        torch.testing.assert_close(tensor, alone[name], **TOLERANCE, msg=lambda text, name=name: name + text)
        assert torch.equal(tensor, task.state_dict()[name])
    torch.testing.assert_close(found.toarray(), expected.toarray(), **TOLERANCE)

    rows = [read_curves(tmp_path / name / CURVES) for name in ("one", "two")]
    assert [row["epoch"] for row in rows[1]] == [1, 2]
    for one, two in zip(*rows, strict=True):
        for name in set(one) - {"seconds"}:  # of all points, not of one process's
            assert two[name] == pytest.approx(one[name], rel=1e-3, abs=1e-6), name


def test_more_processes_than_points_of_a_step_are_refused(toy):
    with pytest.raises(
        UserError, match=r"for each of 2 processes, found 1; raise it or lower trainer.devices"
    ):
        toy.stage(trainer=TWO_PROCESSES, batch_size=1).check(toy.frozen_task())


def test_spawned_processes_are_of_one_machine(toy):
    task = toy.frozen_task()
    toy.stage(trainer=TWO_PROCESSES).check(task)
    with pytest.raises(UserError, match=r"expected strategy=ddp for num_nodes=2, found .* take trainer=ddp"):
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
    with pytest.raises(UserError, match=r"expected dense gradients.* set refinement\.sparse_gradients=false"):
        stage.check(task(sparse))
    toy.stage(trainer=TWO_PROCESSES).check(task(sparse))
