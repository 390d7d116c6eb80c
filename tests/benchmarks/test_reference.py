"""Tests of the straightforward ECLARE that our recipes are compared with."""

import json
import time

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array
from torch import nn
from torch.utils.data import DataLoader

from benchmarks.clock import Took
from benchmarks.reference.__main__ import EPOCHS, costs, measure, parse
from benchmarks.reference.model import Embeddings, Model, smoothed_texts
from benchmarks.reference.points import CollateShortlists, LabelBatch, ShortlistedPoints
from benchmarks.reference.training import Clock, Training

pytestmark = pytest.mark.usefixtures("one_thread")


class WithDense(nn.Module):
    """A module with an embedding table (sparse gradients) and a bias (dense gradient)."""

    def __init__(self, embeddings):
        super().__init__()
        self.embeddings, self.bias = embeddings, nn.Parameter(torch.zeros(1))

    def forward(self, tokens):
        return self.embeddings(tokens).sum() + self.bias.sum()


@pytest.fixture
def points(toy):
    """Three points whose beams have two of the eight meta-labels each."""
    beams = np.zeros((3, 8), np.float32)
    beams[[0, 0, 1, 1, 2, 2], [0, 3, 3, 7, 1, 2]] = [-0.1, -0.2, -0.3, -0.4, -0.5, -0.6]
    train = toy.data.train
    return ShortlistedPoints(
        train.features[:3], train.labels[:3], csr_array(beams), toy.meta_labels.membership()
    )


def collate(toy, points, *, join_neighbours):
    items = [points[place] for place in range(3)]
    return CollateShortlists(toy.data.label_features, toy.graph, join_neighbours)(items)


def labels_of(batch, row):
    return batch.labels.ids[batch.positions[row][~batch.is_padding[row]]].numpy()


def test_shortlist_has_the_members_of_the_beam_with_their_log_priors(toy, points):
    batch = collate(toy, points, join_neighbours=False)

    expected = np.flatnonzero(np.isin(toy.meta_labels.assignment, [3, 7]))
    np.testing.assert_array_equal(labels_of(batch, 1), expected)
    prior = {3: -0.3, 7: -0.4}
    np.testing.assert_allclose(
        batch.log_prior[1][~batch.is_padding[1]],
        [prior[meta] for meta in toy.meta_labels.assignment[expected]],
    )
    true = toy.data.train.labels[[1]].indices
    np.testing.assert_array_equal(batch.targets[1][~batch.is_padding[1]], np.isin(expected, true))


def test_training_shortlists_include_neighbours(toy, points):
    batch = collate(toy, points, join_neighbours=True)

    members = np.flatnonzero(np.isin(toy.meta_labels.assignment, [0, 3]))
    expected = np.union1d(members, toy.graph[members].indices)
    assert len(expected) > len(members)
    np.testing.assert_array_equal(labels_of(batch, 0), expected)


def test_shortlist_scores_match_scores_of_all_labels(toy, points):
    torch.manual_seed(0)
    everything = LabelBatch.of(np.arange(toy.data.num_labels), toy.data.label_features, toy.graph)
    embeddings = Embeddings(toy.data.num_tokens, 16)
    model = Model(embeddings, smoothed_texts(embeddings, everything)).eval()
    batch = collate(toy, points, join_neighbours=False)

    with torch.no_grad():
        by_shortlist = model.score_shortlists(batch)
        by_label = model.score_all(batch.points, everything)

    expected = by_label.gather(1, batch.labels.ids[batch.positions])
    kept = ~batch.is_padding
    torch.testing.assert_close(by_shortlist[kept], expected[kept])


def test_refinement_vectors_start_as_smoothed_texts(toy):
    embeddings = Embeddings(toy.data.num_tokens, 16)
    some = LabelBatch.of(np.array([4, 9, 30]), toy.data.label_features, toy.graph)

    expected = (toy.graph @ toy.data.label_features)[[4, 9, 30]] @ embeddings.weight.detach().numpy()

    np.testing.assert_allclose(smoothed_texts(embeddings, some), expected, rtol=1e-5, atol=1e-6)


def test_cost_of_the_whole_recipe_uses_median_epochs():
    epochs = {"surrogate": [9.0, 1.0, 2.0], "shortlister": [3.0], "ranker": [5.0]}
    clock = Clock(
        {"read": Took(100, 100), "graph": Took(7, 14)},
        {name: [Took(seconds, 2 * seconds) for seconds in taken] for name, taken in epochs.items()},
    )

    found = costs(clock)

    assert found["training"] == {"seconds": 7 + 12 + 3 + 5, "cpu_seconds": 14 + 24 + 6 + 10}
    assert found["whole_recipe"]["seconds"] == 7 + 20 * 2 + 10 * 3 + 10 * 5
    assert EPOCHS == {"surrogate": 20, "shortlister": 10, "ranker": 10}


def test_reference_learns_and_reports_costs(small_run):
    options, _ = parse(["--dim", "32", "--meta-labels", "32", "--beam", "12"])

    found = measure(small_run, options)

    data = small_run.data.read()
    commonest = data.train.labels.sum(axis=0).argmax()
    guessed = data.test.labels[:, [commonest]].mean()
    assert found["metrics"]["P@1"] > max(0.35, 4 * guessed)
    assert found["epochs"]["ranker"]["count"] == 10
    assert found["epochs"]["ranker"]["seconds"] > 0
    assert 0.05 < found["peak_gib"] < 16
    assert json.loads(json.dumps(found)) == found


def test_time_of_a_shortened_epoch_is_scaled():
    model, clock, seen = WithDense(Embeddings(6, 2)), Clock(), []

    def loss_of(batch):
        seen.append(batch.tolist())
        time.sleep(0.05)
        return model(batch.reshape(-1, 1))

    loader = DataLoader(torch.arange(6), batch_size=1)
    Training("surrogate", 1, 0.1, max_batches=2).fit(model, loader, loss_of, clock)

    assert seen == [[0], [1]]
    assert clock.epochs["surrogate"][0].seconds >= 6 * 0.05


@pytest.mark.parametrize(("epochs", "moved"), [(1, 1.0), (2, 1.5), (4, 3.0)])
def test_learning_rate_halves_after_half_of_the_epochs(epochs, moved):
    model = WithDense(Embeddings(1, 1))
    before = model.embeddings.weight.item()

    Training("surrogate", epochs, 0.1).fit(
        model, [torch.zeros(1, 1, dtype=torch.int64)], lambda batch: model(batch), Clock()
    )

    # With a constant gradient, each step of Adam has the length of the learning rate.
    assert before - model.embeddings.weight.item() == pytest.approx(0.1 * moved, rel=1e-3)
