from functools import partial

import numpy as np
import pytest
import torch
from pytorch_lightning import Trainer
from scipy.sparse import csr_array
from torch.nn import functional

from xcgraph.batch import XCBatch
from xcgraph.data.batching import AllLabelsDataset
from xcgraph.data.loader import batch_loader
from xcgraph.metrics.evaluate import evaluate_scores
from xcgraph.metrics.xc_metrics import XCMetrics
from xcgraph.nn.contrast import EncodedRows
from xcgraph.nn.retrieval import ExactRetrieval
from xcgraph.optim import LinearSchedule, SparseDenseAdam
from xcgraph.tasks.dual_task import DualTask
from xcgraph.tasks.regularization import NoRegularization
from xcgraph.tasks.task import Learning

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning"),  # Lightning's advice
    pytest.mark.usefixtures("one_thread"),
]


@pytest.fixture
def work(toy, tmp_path):
    return toy.workspace(tmp_path)


@pytest.fixture
def build(toy, work):
    anchors = toy.ramen().anchors.find(work)

    def build(**changes):
        torch.manual_seed(0)
        return toy.dual_network(**changes).build(work.label_features, work.train.labels, anchors)

    return build


def whole(split):
    return AllLabelsDataset(split)[np.arange(len(split))]


def dense_cosines(task, split, texts):
    """Return the cosines of raw sums of token embeddings."""
    table = task.encoder.encoder.embedding.weight
    points, labels = (torch.from_numpy(matrix.toarray()) @ table for matrix in (split.features, texts))
    return functional.cosine_similarity(points[:, None], labels[None], dim=2)


@pytest.mark.parametrize("top_k", [1, 7, 40, 100])
def test_ranks_labels_by_cosine(build, work, top_k):
    task = build().eval()
    task.top_k = top_k
    with torch.no_grad():
        labels, scores = task.predict_step(whole(work.valid))
        expected = dense_cosines(task, work.valid, work.label_features).sort(dim=1, descending=True)
    width = min(top_k, 40)
    assert labels.shape == scores.shape == (40, width)
    torch.testing.assert_close(scores.exp(), (1 + expected.values[:, :width]) / 2)
    # Labels of equal text have equal cosines; any of them will do.
    cosines = dense_cosines(task, work.valid, work.label_features).gather(1, labels)
    torch.testing.assert_close(cosines, expected.values[:, :width])


def test_prepared_search_gives_the_same_ranking(build, work):
    task, batch = build().eval(), whole(work.valid)
    with torch.no_grad():
        expected = task.rank(batch, 5)
        task.on_predict_start()
        found = task.rank(batch, 5)
        task.on_predict_end()
    assert torch.equal(found[0], expected[0])
    assert task._search is None


def test_loss_is_contrast_loss_plus_penalty(build, work):
    task, batch = build(dropout=0.0), whole(work.train)
    torch.manual_seed(3)
    found = task.training_step(batch)
    torch.manual_seed(3)
    points = task.encoder(batch.tokens)
    labels = task.contrast(task.encoder, EncodedRows(batch.rows, points))
    penalty = task.regularizer(task.encoder, EncodedRows(batch.rows, points), labels.others)
    torch.testing.assert_close(found, labels.loss + penalty)
    assert penalty > 0


def test_regularizer_changes_the_gradient(build, work):
    """The gradient of the penalty reaches the embeddings."""
    gradients = []
    for changes in ({}, {"regularizer": NoRegularization()}):
        task = build(dropout=0.0, **changes)
        torch.manual_seed(3)
        task.training_step(whole(work.train)).backward()
        gradients.append(task.encoder.encoder.embedding.weight.grad)
    assert all(gradient.any() for gradient in gradients)
    assert not torch.allclose(*gradients)


def test_batches_without_row_numbers_are_refused(build, work):
    batch = whole(work.train)
    unnumbered = XCBatch(batch.tokens, batch.labels, batch.filtered, batch.positives)
    with pytest.raises(ValueError, match="row of each point"):
        build().training_step(unnumbered)


class Refusing:
    """A retrieval that fails when it is used."""

    def index(self, vectors):  # noqa: ARG002
        raise AssertionError("An approximate index is for predictions.")


def learn(task, work, *, max_epochs=3, lr=0.05):
    learning = Learning(partial(SparseDenseAdam, lr=lr), LinearSchedule(), max_epochs, 0)
    task.prepare(learning, XCMetrics(40, (1, 3, 5), work.inverse_propensity))
    trainer = Trainer(
        max_epochs=max_epochs,
        accelerator="cpu",
        devices=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )
    loaders = (
        batch_loader(AllLabelsDataset(work.train), batch_size=32, shuffle_seed=0),
        batch_loader(AllLabelsDataset(work.valid), batch_size=16),
    )
    trainer.fit(task, *loaders)
    return trainer


def test_validation_searches_exactly(build, work):
    task = build(retrieval=Refusing())
    trainer = learn(task, work, max_epochs=1)
    scores = np.zeros((40, 40), np.float32)
    task.eval()
    with torch.no_grad():
        search = ExactRetrieval().index(task.label_vectors())
        labels, cosines = search(task.encoder(whole(work.valid).tokens), 40)
    np.put_along_axis(scores, labels.numpy(), 2 + cosines.numpy(), axis=1)
    expected = evaluate_scores(csr_array(scores), work.valid, inverse_propensity=work.inverse_propensity)
    found = {
        name: float(value) for name, value in trainer.callback_metrics.items() if name.startswith("val/")
    }
    assert found == pytest.approx({f"val/{name}": value for name, value in expected.items()}, abs=1e-6)


def test_training_moves_points_towards_their_labels(build, work):
    task = build()
    positive = torch.from_numpy(work.valid.labels.toarray()) > 0

    def gap():
        with torch.no_grad():
            cosines = dense_cosines(task, work.valid, work.label_features)
        return float(cosines[positive].mean() - cosines[~positive].mean())

    before = gap()
    learn(task, work, max_epochs=10)
    assert gap() > before + 0.15


def test_edges_are_pruned_on_schedule_without_dropout(build, work, monkeypatch):
    task = build(dropout=0.9)
    seen, original = [], DualTask.on_train_epoch_start

    def watched(self):
        original(self)
        terms = (*self.regularizer.of_points, *self.regularizer.of_labels)
        seen.append([term.edges.num_drawable for term in terms])
        assert self.training
        if self.current_epoch == 1:  # before anything else has moved
            self.eval()
            points, labels = self.encoder(whole(work.train).tokens), self.label_vectors()
            self.train()
            edges = terms[0].edges
            cosines = edges.similarity(torch.arange(160), points, labels)
            seen[-1].append(int((edges.drawable & (cosines > 0.3)).sum()))

    monkeypatch.setattr(DualTask, "on_train_epoch_start", watched)
    learn(task, work, max_epochs=4)
    first, second, third, fourth = seen
    assert second[0] == second.pop() < first[0]
    assert second == third != fourth


def test_check_builds_the_smallest_task(toy):
    task = toy.dual_network().check()
    assert isinstance(task, DualTask)
    assert task.encoder(task.contrast.texts()).shape == (1, 32)
