import re
from functools import partial

import numpy as np
import pytest
import torch
from pytorch_lightning import Trainer
from scipy.sparse import csr_array
from torch.nn import functional

from xcgraph.batch import LabelSets, Shortlist, TokenBag, XCBatch
from xcgraph.data.batching import AllLabelsDataset
from xcgraph.data.loader import batch_loader
from xcgraph.data.xc_data import Split
from xcgraph.metrics.evaluate import evaluate_scores
from xcgraph.metrics.xc_metrics import XCMetrics
from xcgraph.nn.blocks import GatedResidualBlock
from xcgraph.nn.fusion import MeanFusion
from xcgraph.nn.label_graph import Propagation
from xcgraph.nn.refinement import NoRefinement
from xcgraph.optim import HalvingSchedule, LinearSchedule, SparseDenseAdam
from xcgraph.tasks.label_network import LabelInputs
from xcgraph.tasks.label_text import trained_text
from xcgraph.tasks.task import Learning
from xcgraph.tasks.xc_task import XCTask

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning"),  # Lightning's advice
    pytest.mark.usefixtures("one_thread"),
]


def make_trainer(**changes):
    quiet = {
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }
    return Trainer(accelerator="cpu", devices=1, **quiet, **changes)


def make_learning(seed=0, max_epochs=2, schedule=None):
    return Learning(partial(SparseDenseAdam, lr=0.05), schedule or LinearSchedule(), max_epochs, seed)


def whole(targets):
    return targets[np.arange(len(targets))]


def shortlist_of_all(batch, num_labels=40):
    """Return the batch with a shortlist of all labels, in descending order, with log-prior 0."""
    positions = torch.arange(num_labels).flip(0).repeat(len(batch), 1)
    shortlist = Shortlist(torch.arange(num_labels), positions, torch.zeros(positions.shape))
    return XCBatch(batch.tokens, batch.labels, batch.filtered, batch.positives, shortlist)


@pytest.fixture(
    params=["tied", "frozen", "frozen without refinement", "tied without graph", "three hops", "trained"]
)
def task(toy, request):
    return {
        "tied": toy.tied_task,
        "frozen": toy.frozen_task,
        "frozen without refinement": partial(toy.frozen_task, refinement=NoRefinement, fusion=MeanFusion),
        "tied without graph": partial(toy.tied_task, propagation=Propagation(hops=0)),
        "three hops": partial(toy.frozen_task, propagation=Propagation(hops=3)),
        "trained": partial(toy.frozen_task, token_embeddings=trained_text, block=GatedResidualBlock),
    }[request.param]().eval()


# --- forward --------------------------------------------------------------------------------------------


def test_scores_are_products_of_points_and_label_vectors(task, toy):
    batch = whole(AllLabelsDataset(toy.data.test))
    points, vectors = task.encoder(batch.tokens), task.label_vectors()
    expected = [[point @ vector + task.classifier.bias for vector in vectors] for point in points[:5]]
    torch.testing.assert_close(task(batch)[:5], torch.tensor(expected), rtol=1e-4, atol=1e-5)
    assert task(batch).shape == (60, 40)


def test_vectors_of_some_labels_match_vectors_of_all(task):
    label_ids = torch.tensor([7, 0, 39, 7])
    torch.testing.assert_close(task.label_vectors(label_ids), task.label_vectors()[label_ids])


def test_shortlist_scores_equal_full_scores_at_its_labels(task, toy):
    batch, shortlisted = whole(AllLabelsDataset(toy.data.test)), whole(toy.shortlisted(toy.data.test))
    full, found = task(batch), task(shortlisted)
    positions = shortlisted.shortlist.positions
    labels = shortlisted.shortlist.label_ids[positions.clamp(min=0)]
    expected = full.gather(1, labels).masked_fill(positions < 0, -torch.inf)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_padding_scores_minus_infinity(toy):
    features = csr_array((2, toy.data.num_tokens), dtype=np.float32)
    batch = whole(
        AllLabelsDataset(Split(features, csr_array((2, 40), dtype=np.float32), np.empty((0, 2), np.int64)))
    )
    shortlist = Shortlist(torch.tensor([3, 8]), torch.tensor([[0, 1, -1], [1, -1, -1]]), torch.zeros(2, 3))
    task = toy.tied_task().eval()
    found = task(XCBatch(batch.tokens, batch.labels, batch.filtered, batch.positives, shortlist))
    assert (found == -torch.inf).tolist() == [[False, False, True], [False, True, True]]
    ranked, log_probability = task.predict_step(
        XCBatch(batch.tokens, batch.labels, batch.filtered, batch.positives, shortlist)
    )
    assert (ranked == -1).tolist() == [[False, False, True], [False, True, True]]
    assert (log_probability == -torch.inf).tolist() == (ranked == -1).tolist()


def test_cached_label_vectors_give_the_same_scores(task, toy):
    for targets in (AllLabelsDataset(toy.data.test), toy.shortlisted(toy.data.test)):
        batch = whole(targets)
        direct = task(batch)
        task.on_predict_start()
        cached = task(batch)
        task.on_predict_end()
        torch.testing.assert_close(cached, direct, rtol=1e-4, atol=1e-5)


# --- loss -----------------------------------------------------------------------------------------------


def test_loss_matches_cross_entropy_of_full_scores(task, toy):
    batch = whole(AllLabelsDataset(toy.data.train))
    target = torch.from_numpy(toy.data.train.labels.toarray())
    expected = functional.binary_cross_entropy_with_logits(task(batch), target, reduction="sum") / 200
    torch.testing.assert_close(task.training_step(batch), expected, rtol=1e-4, atol=1e-5)


def test_loss_of_a_shortlist_with_all_labels_matches_full_loss(task, toy):
    split = toy.data.train
    full = whole(AllLabelsDataset(split))
    columns = torch.stack([full.positives[:, 0], 39 - full.positives[:, 1]], dim=1)
    shortlisted = shortlist_of_all(full)
    shortlisted = XCBatch(full.tokens, full.labels, full.filtered, columns, shortlisted.shortlist)
    torch.testing.assert_close(
        task.training_step(shortlisted), task.training_step(full), rtol=1e-4, atol=1e-5
    )


# --- ranking --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("top_k", [1, 5, 40, 100])
def test_prediction_is_the_best_labels_and_their_log_probabilities(task, toy, top_k):
    batch = whole(AllLabelsDataset(toy.data.test))
    task.top_k = top_k
    labels, log_probability = task.predict_step(batch)
    expected = task(batch).sigmoid().log().sort(dim=1, descending=True)
    width = min(top_k, 40)
    assert labels.shape == (60, width)
    torch.testing.assert_close(log_probability, expected.values[:, :width], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(
        task(batch).sigmoid().log().gather(1, labels), log_probability, rtol=1e-4, atol=1e-5
    )


def test_prediction_adds_the_log_probability_of_the_meta_label(task, toy):
    targets = toy.shortlisted(toy.data.test)
    batch = whole(targets)
    labels, log_probability = task.predict_step(batch)
    shortlist, scores = batch.shortlist, task(batch)
    for point in range(60):
        expected = {
            int(shortlist.label_ids[position]): float(functional.logsigmoid(score) + prior)
            for position, score, prior in zip(
                shortlist.positions[point], scores[point], shortlist.log_prior[point], strict=True
            )
            if position >= 0
        }
        kept = labels[point] >= 0
        found = dict(zip(labels[point, kept].tolist(), log_probability[point, kept].tolist(), strict=True))
        assert found == pytest.approx(expected, rel=1e-4, abs=1e-5)
        assert log_probability[point].diff().max() <= 0


# --- validation -----------------------------------------------------------------------------------------


def dense_scores(task, targets):
    """Score every point as a prediction would, label by label."""
    task.top_k = 40
    labels, log_probability = task.predict_step(whole(targets))
    rows, columns = torch.nonzero(labels >= 0, as_tuple=True)
    # All values are greater than 0, so that the worst is stored too.
    values = (log_probability[rows, columns] + 1000).detach().numpy()
    return csr_array((values, (rows.numpy(), labels[rows, columns].numpy())), shape=(len(targets), 40))


@pytest.mark.parametrize("batch_size", [7, 60])
@pytest.mark.parametrize("is_shortlisted", [False, True])
def test_validation_metrics_match_final_evaluation(task, toy, batch_size, is_shortlisted):
    split = toy.data.test
    assert len(split.filter_pairs) > 0
    targets = toy.shortlisted(split) if is_shortlisted else AllLabelsDataset(split)
    propensity = 1 + torch.rand(40, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    task.prepare(make_learning(), XCMetrics(40, (1, 3, 5), propensity))
    (found,) = make_trainer().validate(task, batch_loader(targets, batch_size=batch_size), verbose=False)
    expected = evaluate_scores(dense_scores(task, targets), split, inverse_propensity=propensity)
    assert found == pytest.approx({f"val/{name}": value for name, value in expected.items()}, abs=1e-6)


def test_validation_leaves_filtered_labels_out(toy):
    """If all better labels of a point are filtered, its label has rank 1."""
    task = toy.tied_task().eval()
    features = toy.data.test.features[:1]
    ranking = (
        task(whole(AllLabelsDataset(toy.data.test.take(np.array([0])))))[0].argsort(descending=True).tolist()
    )
    labels = np.zeros((1, 40), np.float32)
    labels[0, ranking[6]] = 1
    pairs = np.array([[0, label] for label in ranking[:6]], np.int64)
    for filtered, expected in ((pairs, 1), (pairs[:5], 0)):
        targets = AllLabelsDataset(Split(features, csr_array(labels), filtered))
        task.prepare(make_learning(), XCMetrics(40, 1))
        (found,) = make_trainer().validate(task, batch_loader(targets, batch_size=1), verbose=False)
        assert found["val/P@1"] == expected


def test_each_validation_starts_with_fresh_metrics(toy):
    task = toy.tied_task()
    task.prepare(make_learning(), XCMetrics(40, (1, 3)))
    loader = batch_loader(AllLabelsDataset(toy.data.test), batch_size=16)
    first, second = (make_trainer().validate(task, loader, verbose=False) for _ in range(2))
    assert first == second


def test_training_and_validation_need_preparation(toy):
    loader = batch_loader(AllLabelsDataset(toy.data.test), batch_size=16)
    for run in (make_trainer(max_epochs=1).fit, make_trainer().validate):
        with pytest.raises(RuntimeError, match=re.escape("Call prepare before training or validating.")):
            run(toy.tied_task(), loader)


# --- label vectors are computed when they are needed ----------------------------------------------------


@pytest.fixture
def counted(toy, monkeypatch):
    """A task, and a list of the computations of all or some label vectors."""
    task, calls = toy.frozen_task(), []
    original = XCTask.label_vectors

    def label_vectors(self, label_ids=None):
        calls.append(("training" if self.training else "evaluation", "all" if label_ids is None else "some"))
        return original(self, label_ids)

    monkeypatch.setattr(XCTask, "label_vectors", label_vectors)
    return task, calls


def test_label_vectors_are_computed_once_per_validation_and_in_each_training_step(toy, counted):
    task, calls = counted
    task.prepare(make_learning(), XCMetrics(40, (1, 3)))
    train = batch_loader(toy.shortlisted(toy.data.train), batch_size=50)
    valid = batch_loader(toy.shortlisted(toy.data.test), batch_size=20)
    make_trainer(max_epochs=2, num_sanity_val_steps=0).fit(task, train, valid)
    epoch = [("training", "some")] * 4 + [("evaluation", "all")]
    assert calls == epoch * 2
    assert task._label_vectors is None


def test_label_vectors_are_computed_once_per_prediction(toy, counted):
    task, calls = counted
    loader = batch_loader(toy.shortlisted(toy.data.test), batch_size=20)
    for _ in range(2):
        make_trainer().predict(task, loader)
        assert task._label_vectors is None
    assert calls == [("evaluation", "all")] * 2


def test_prepare_drops_label_vectors_of_an_interrupted_pass(toy):
    task = toy.tied_task()
    task.on_predict_start()
    task.prepare(make_learning(), XCMetrics(40, 1))
    assert task._label_vectors is None


def test_validation_changes_no_weight(toy):
    batch = whole(AllLabelsDataset(toy.data.train))
    task = toy.tied_task()
    before = {name: tensor.clone() for name, tensor in task.state_dict().items()}
    task.prepare(make_learning(), XCMetrics(40, 1))
    make_trainer().validate(task, batch_loader(AllLabelsDataset(toy.data.test), batch_size=16), verbose=False)
    assert all(torch.equal(tensor, before[name]) for name, tensor in task.state_dict().items())
    assert task(batch).requires_grad


# --- learning -------------------------------------------------------------------------------------------


def fit(task, toy, **changes):
    task.prepare(make_learning(**changes), XCMetrics(40, 1))
    loader = batch_loader(AllLabelsDataset(toy.data.train), batch_size=50, shuffle_seed=0)
    make_trainer(max_epochs=changes.get("max_epochs", 2)).fit(task, loader)
    return task.state_dict()


def test_seed_determines_dropout(toy):
    weights = [fit(toy.tied_task(), toy, seed=seed) for seed in (0, 0, 1)]
    same, other = (all(torch.equal(weights[0][name], found[name]) for name in found) for found in weights[1:])
    assert (same, other) == (True, False)


def test_learning_rate_moves_with_every_step(toy):
    rates = []

    class Watched(XCTask):
        def training_step(self, batch):
            rates.append(self.trainer.optimizers[0].param_groups[0]["lr"])
            return super().training_step(batch)

    built = toy.tied_task()
    fit(Watched(built.encoder, built.labels, built.classifier), toy)
    assert rates == pytest.approx([0.05 * (8 - step) / 8 for step in range(8)])
    rates.clear()
    built = toy.tied_task()
    watched = Watched(built.encoder, built.labels, built.classifier)
    fit(watched, toy, max_epochs=4, schedule=HalvingSchedule(every_epochs=1))
    assert rates == pytest.approx([0.05] * 8 + [0.025] * 4 + [0.0125] * 4)


def test_all_but_frozen_embeddings_learn(toy):
    task = toy.frozen_task()
    before = {name: tensor.clone() for name, tensor in task.state_dict().items()}
    after = fit(task, toy)
    unmoved = {name for name in after if torch.equal(after[name], before[name])}
    assert unmoved == {"encoder.embedding.weight"}
    assert "labels.text.views" not in after  # recomputed, not stored


def test_label_texts_train_the_embeddings_of_a_tied_task(toy):
    """The token occurs in a label text only."""
    texts = toy.data.label_features.toarray()
    texts[3, 59] = 1
    features = toy.data.train.features.toarray()
    features[:, 59] = 0
    assert toy.data.train.labels[:, [3]].nnz > 0
    task = toy.network().surrogate.build(LabelInputs(csr_array(texts), toy.graph), 0.05)
    before = task.encoder.embedding.weight[59].detach().clone()
    task.prepare(make_learning(), XCMetrics(40, 1))
    split = Split(csr_array(features), toy.data.train.labels, np.empty((0, 2), np.int64))
    make_trainer(max_epochs=1).fit(task, batch_loader(AllLabelsDataset(split), batch_size=50))
    assert not torch.equal(task.encoder.embedding.weight[59], before)


def test_batch_without_labels_has_a_loss(toy):
    tokens = TokenBag(torch.tensor([1]), torch.ones(1), torch.tensor([0, 1]))
    none = LabelSets(torch.empty(0, dtype=torch.int64), torch.tensor([0, 0]))
    batch = XCBatch(tokens, none, none, torch.empty((0, 2), dtype=torch.int64))
    loss = toy.tied_task().training_step(batch)
    assert loss > 0
    loss.backward()
