import csv
import signal
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, wraps
from inspect import unwrap
from pathlib import Path

import numpy as np
import pytest
import torch
from pytorch_lightning import Trainer
from torch.nn import functional

from xcgraph.clustering.meta_labels import MetaLabels
from xcgraph.data.batching import AllLabelsDataset
from xcgraph.data.xc_data import Split
from xcgraph.errors import UserError
from xcgraph.metrics.evaluate import evaluate_scores
from xcgraph.optim import HalvingSchedule
from xcgraph.storage.artifacts import describe
from xcgraph.tasks.xc_task import XCTask
from xcgraph.training import stage as stage_module
from xcgraph.training.checkpoints import load_tensors
from xcgraph.training.curves import EpochCurves
from xcgraph.training.stage import CURVES, WEIGHTS, load_weights

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # Lightning's advice

NUM_STEPS = 10  # per epoch: 160 points in batches of 16


@dataclass(frozen=True)
class Job:
    """A task for a stage, with the parts of the surrogate or of the ranker."""

    name: str
    build: Callable[..., XCTask]
    targets: Callable[[Split], AllLabelsDataset]
    toy: object

    def fit(self, folder, *, seed=1, **changes):
        work = self.toy.workspace(folder / "store")
        task = self.build()
        points = self.targets(work.train), self.targets(work.valid)
        stage = self.toy.stage(**changes)
        stage.fit(task, points, work.label_metrics(), folder=folder, title="toy", seed=seed)
        return task


@pytest.fixture(params=["surrogate", "ranker"])
def job(toy, request):
    if request.param == "surrogate":
        return Job(request.param, toy.tied_task, AllLabelsDataset, toy)
    return Job(request.param, toy.frozen_task, toy.shortlisted, toy)


def read_curves(folder):
    """Read the rows without their seconds."""
    with (folder / CURVES).open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


def assert_same_result(folder, other):
    first, second = (load_tensors(each / WEIGHTS) for each in (folder, other))
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name]), name
    assert read_curves(folder) == read_curves(other)


# --- training -------------------------------------------------------------------------------------------


def test_fit_writes_weights_and_curves_only(job, tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    task = job.fit(tmp_path / "stage")
    assert sorted(path.name for path in (tmp_path / "stage").iterdir() if path.is_file()) == [CURVES, WEIGHTS]
    assert list((tmp_path / "elsewhere").iterdir()) == []
    weights = load_tensors(tmp_path / "stage" / WEIGHTS)
    assert all(torch.equal(tensor, weights[name]) for name, tensor in task.state_dict().items())


def test_curves_have_a_row_per_epoch_with_loss_and_validation_metrics(job, tmp_path):
    job.fit(tmp_path, max_epochs=3, lr=0.03)
    rows = [{name: float(value) for name, value in row.items()} for row in read_curves(tmp_path)]
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    assert [row["lr"] for row in rows] == pytest.approx([0.02, 0.01, 0])
    names = {f"val/{name}@{k}" for name in ("P", "nDCG", "PSP", "PSnDCG", "R") for k in (1, 3, 5)}
    assert all(row.keys() == {"epoch", "lr", "train/loss", *names} for row in rows)
    assert all(0 <= row[name] <= 1 for row in rows for name in names)


def test_last_row_measures_the_stored_weights(job, toy, tmp_path):
    job.fit(tmp_path, max_epochs=2)
    work = toy.workspace(tmp_path / "store")
    task = load_weights(job.build(), tmp_path)
    scores = toy.stage().predict(task, job.targets(work.valid), 40)
    expected = evaluate_scores(scores, work.valid, inverse_propensity=work.inverse_propensity)
    last = read_curves(tmp_path)[-1]
    assert {f"val/{name}": pytest.approx(value, abs=1e-6) for name, value in expected.items()} == {
        name: float(value) for name, value in last.items() if name.startswith("val/")
    }


def test_fit_learns(job, toy, tmp_path):
    job.fit(tmp_path, max_epochs=5, lr=0.1)
    rows = read_curves(tmp_path)
    most_frequent = toy.data.train.labels.sum(axis=0).max() / len(toy.data.train)
    assert float(rows[-1]["val/P@1"]) > 3 * most_frequent
    losses = [float(row["train/loss"]) for row in rows]
    assert losses[-1] < 0.7 * losses[0]


def test_result_depends_on_the_seed_only(job, tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        torch.rand(seed)  # the global random state must not matter
        job.fit(tmp_path / name, seed=seed, max_epochs=2)
    assert_same_result(tmp_path / "a", tmp_path / "b")
    with pytest.raises(AssertionError):
        assert_same_result(tmp_path / "a", tmp_path / "c")


def test_order_of_points_depends_on_epoch_and_seed(job, tmp_path, monkeypatch):
    orders, original = [], XCTask.training_step

    @wraps(unwrap(original))
    def training_step(self, batch):
        orders[-1].append((self.current_epoch, tuple(batch.tokens.weights.tolist())))
        return original(self, batch)

    monkeypatch.setattr(XCTask, "training_step", training_step)
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        orders.append([])
        job.fit(tmp_path / name, seed=seed, max_epochs=2)
    first, same, other = orders
    assert first == same
    batches = [weights for _, weights in first + other]
    assert len(set(batches)) == len(batches) == 4 * NUM_STEPS
    for epoch in range(2):  # each epoch has all points
        sums = [sum(sum(weights) for at, weights in order if at == epoch) for order in (first, other)]
        assert sums[0] == pytest.approx(sums[1], rel=1e-5)


def test_num_workers_changes_neither_result_nor_key(job, toy, tmp_path):
    job.fit(tmp_path / "without", max_epochs=2)
    job.fit(tmp_path / "with", max_epochs=2, num_workers=1)
    assert_same_result(tmp_path / "without", tmp_path / "with")
    assert describe(toy.stage(num_workers=1)) == describe(toy.stage())


# --- interruption and resume ----------------------------------------------------------------------------

MOMENTS = {
    "in the first epoch": (XCTask, "training_step", 4),
    "in the first step of an epoch": (XCTask, "training_step", NUM_STEPS + 1),
    "in the middle of an epoch": (XCTask, "training_step", NUM_STEPS + 6),
    "in the last step": (XCTask, "training_step", 3 * NUM_STEPS),
    "while validating": (XCTask, "validation_step", 5),
    "before an epoch's row": (EpochCurves, "on_train_epoch_end", 2),
    "before an epoch's checkpoint": (EpochCurves, "state_dict", 2),
    "before the first epoch": (EpochCurves, "on_train_epoch_start", 1),
}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """Fit each kind of job once without interruption, for comparison."""
    folders = {}

    def folder_of(job):
        if job.name not in folders:
            folders[job.name] = tmp_path_factory.mktemp(job.name)
            job.fit(folders[job.name])
        return folders[job.name]

    return folder_of


@pytest.mark.parametrize("moment", MOMENTS)
def test_resumed_fit_equals_an_uninterrupted_one(job, tmp_path, interrupter, undisturbed, moment):
    owner, method, call = MOMENTS[moment]
    interrupter.raise_in(owner, method, call=call)
    with pytest.raises(Exception, match=f"{owner.__name__}.{method}"):
        job.fit(tmp_path)
    assert not (tmp_path / WEIGHTS).exists()
    interrupter.stop()
    job.fit(tmp_path)
    assert_same_result(tmp_path, undisturbed(job))
    assert not (tmp_path / "last.ckpt").exists()


def test_resume_trains_only_missing_epochs(job, tmp_path, interrupter):
    interrupter.raise_in(XCTask, "training_step", call=2 * NUM_STEPS + 3)
    with pytest.raises(Exception, match="training_step"):
        job.fit(tmp_path)
    assert [row["epoch"] for row in read_curves(tmp_path)] == ["1", "2"]
    interrupter.stop()
    interrupter.raise_in(XCTask, "training_step", call=NUM_STEPS + 1)  # never reached
    job.fit(tmp_path)
    assert [row["epoch"] for row in read_curves(tmp_path)] == ["1", "2", "3"]


def test_resume_can_be_interrupted_again(job, tmp_path, interrupter, undisturbed):
    for call in (NUM_STEPS + 2, NUM_STEPS + 5, 3):
        interrupter.raise_in(XCTask, "training_step", call=call)
        with pytest.raises(Exception, match="training_step"):
            job.fit(tmp_path)
        interrupter.stop()
    job.fit(tmp_path)
    assert_same_result(tmp_path, undisturbed(job))


@pytest.mark.parametrize(("owner", "method"), [(stage_module, "save_tensors"), (Path, "unlink")])
def test_resume_after_the_last_epoch(job, tmp_path, monkeypatch, undisturbed, owner, method):
    original = getattr(owner, method)

    def fail(path, *args, **kwargs):
        if path.name in ("weights.ckpt", "last.ckpt"):
            raise OSError("killed")
        return original(path, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(owner, method, fail)
        with pytest.raises(OSError, match="killed"):
            job.fit(tmp_path)
    assert (tmp_path / "last.ckpt").exists()
    job.fit(tmp_path)
    assert_same_result(tmp_path, undisturbed(job))
    assert not (tmp_path / "last.ckpt").exists()


def test_resume_restores_schedule_and_optimizer(job, tmp_path, interrupter):
    changes = {"max_epochs": 4, "schedule": HalvingSchedule(every_epochs=1)}
    job.fit(tmp_path / "undisturbed", **changes)
    interrupter.raise_in(XCTask, "training_step", call=3 * NUM_STEPS + 1)
    with pytest.raises(Exception, match="training_step"):
        job.fit(tmp_path / "resumed", **changes)
    interrupter.stop()
    job.fit(tmp_path / "resumed", **changes)
    assert_same_result(tmp_path / "undisturbed", tmp_path / "resumed")
    assert [float(row["lr"]) for row in read_curves(tmp_path / "resumed")] == [0.03, 0.015, 0.0075, 0.00375]


def test_ctrl_c_raises_keyboard_interrupt_and_writes_no_weights(job, tmp_path, interrupter, undisturbed):
    handler = signal.getsignal(signal.SIGINT)
    interrupter.raise_in(XCTask, "training_step", call=NUM_STEPS + 1, error=KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        job.fit(tmp_path)
    assert signal.getsignal(signal.SIGINT) is handler
    assert not (tmp_path / WEIGHTS).exists()
    interrupter.stop()
    job.fit(tmp_path)
    assert_same_result(tmp_path, undisturbed(job))


def test_pickled_objects_in_a_checkpoint_are_not_loaded(job, tmp_path):
    class Bomb:
        def __reduce__(self):
            return Path.touch, (tmp_path / "harm",)

    torch.save({"state_dict": Bomb(), "epoch": 1}, tmp_path / "last.ckpt")
    with pytest.raises(UserError, match=r"last\.ckpt: expected a checkpoint of tensors and plain values"):
        job.fit(tmp_path)
    assert not (tmp_path / "harm").exists()


# --- prediction -----------------------------------------------------------------------------------------


def naive_probabilities(task, targets):
    """Return (points, labels) probabilities of all points, 0 for labels outside the shortlist."""
    batch = targets[np.arange(len(targets))]
    task.eval()
    with torch.no_grad():
        points, vectors = task.encoder(batch.tokens), task.label_vectors()
        probability = functional.sigmoid(points @ vectors.T + task.classifier.bias)
    if batch.shortlist is None:
        return probability.numpy()
    dense = np.zeros(probability.shape, np.float32)
    for point, positions in enumerate(batch.shortlist.positions):
        for position, log_prior in zip(positions, batch.shortlist.log_prior[point], strict=True):
            if position >= 0:
                label = int(batch.shortlist.label_ids[position])
                dense[point, label] = probability[point, label] * log_prior.exp()
    return dense


def keep_best(dense, k):
    """Keep the k largest entries of each row."""
    kept = np.zeros_like(dense)
    best = np.argsort(-dense, axis=1, kind="stable")[:, :k]
    np.put_along_axis(kept, best, np.take_along_axis(dense, best, axis=1), axis=1)
    return kept


@pytest.mark.parametrize("top_k", [1, 5, 1000])
def test_predictions_match_a_direct_computation(job, toy, top_k):
    task, targets = job.build(), job.targets(toy.data.test)
    found = toy.stage(batch_size=16).predict(task, targets, top_k)
    expected = keep_best(naive_probabilities(task, targets), top_k)
    assert found.shape == expected.shape
    assert found.dtype == np.float32
    np.testing.assert_allclose(found.toarray(), expected, rtol=1e-4, atol=1e-7)
    np.testing.assert_array_equal(np.diff(found.indptr), (expected > 0).sum(axis=1))


def test_predictions_do_not_depend_on_the_batch_size(job, toy):
    task, targets = job.build(), job.targets(toy.data.test)
    first, second = (toy.stage(batch_size=size).predict(task, targets, 5).toarray() for size in (7, 60))
    np.testing.assert_allclose(first, second, rtol=1e-4, atol=1e-7)


def test_shortlists_may_be_shorter_than_top_k(toy):
    """A batch of one point has the width of the point's shortlist."""
    uneven = MetaLabels(np.minimum(np.arange(40) // 3, 7).astype(np.int32), 8)
    targets = toy.shortlisted(toy.data.test, beam_size=1, meta_labels=uneven)
    task = toy.frozen_task()
    found = toy.stage(batch_size=1).predict(task, targets, 30)
    assert set(np.diff(found.indptr)) == {3, 19}
    np.testing.assert_allclose(found.toarray(), naive_probabilities(task, targets), rtol=1e-4, atol=1e-7)


def test_no_points_give_no_predictions(job, toy):
    nothing = toy.data.test.take(np.empty(0, np.int64))
    found = toy.stage().predict(job.build(), job.targets(nothing), 5)
    assert found.shape == (0, 40)


def test_prediction_writes_no_files(job, toy, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    toy.stage().predict(job.build(), job.targets(toy.data.test), 5)
    assert list(tmp_path.iterdir()) == []


# --- settings -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"max_epochs": 0}, r"stages\.\*\.max_epochs must be ≥ 1, got 0"),
        ({"batch_size": -1}, r"stages\.\*\.batch_size must be ≥ 1, got -1"),
        ({"lr": 0.0}, r"stages\.\*\.lr must be > 0, got 0\.0"),
        ({"lr": float("nan")}, r"stages\.\*\.lr must be > 0, got nan"),
        ({"num_workers": -1}, r"stages\.\*\.num_workers must be ≥ 0, got -1"),
    ],
)
def test_values_out_of_range_are_refused(toy, change, message):
    with pytest.raises(UserError, match=message):
        toy.stage(**change)


def sgd(module, *, lr, momentum):
    """Wrap an optimizer of torch, which takes parameters instead of a module."""
    return torch.optim.SGD(module.parameters(), lr=lr, momentum=momentum)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"optimizer": partial(sgd, momentum=-1)}, "Invalid momentum value: -1"),
        ({"optimizer": partial(sgd, momentum=0.9, wheels=4)}, "wheels"),
        ({"trainer": partial(Trainer, accelerator="abacus")}, "abacus"),
        ({"trainer": partial(Trainer, accelerator="cpu", wheels=4)}, "wheels"),
    ],
)
def test_check_refuses_invalid_arguments_of_optimizer_and_trainer(toy, change, message):
    task = toy.tied_task()
    with pytest.raises(UserError, match=message):
        toy.stage(**change).check(task)
    toy.stage(optimizer=partial(sgd, momentum=0.9)).check(task)
