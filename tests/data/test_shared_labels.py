from itertools import combinations, pairwise

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array
from scipy.special import comb, logsumexp

from xcgraph.data.batching import WeightedLabelsDataset
from xcgraph.data.shared_labels import SharedLabelsDataset, draw_others
from xcgraph.data.xc_data import NO_PAIRS, Split
from xcgraph.nn.likelihood import Logistic, Softmax

NUM_LABELS = 9


def make_split(points=6, labels=NUM_LABELS, seed=0):
    """Return points with a few labels of the lower half, each with a relevance in (0, 1)."""
    rng = np.random.default_rng(seed)
    carried = rng.random((points, labels)) * (rng.random((points, labels)) < 0.3)
    carried[:, labels // 2 :] = 0
    return Split(csr_array(np.eye(points, dtype=np.float32)), csr_array(carried, dtype=np.float32), NO_PAIRS)


def make_dataset(num_drawn=3, **changes):
    return SharedLabelsDataset(make_split(), num_drawn, **{"seed": 0, **changes})


@pytest.mark.parametrize("num_drawn", [1, 3, 100])
@pytest.mark.parametrize("rows", [[0, 1, 2, 3, 4, 5], [4, 1], [2], []], ids=str)
def test_batch_has_its_own_labels_and_drawn_labels(rows, num_drawn):
    rows = np.array(rows, np.int64)
    batch, full = make_dataset(num_drawn)[rows], WeightedLabelsDataset(make_split())[rows]
    ids, carried = batch.label_ids.tolist(), set(full.labels.ids.tolist())
    count = min(num_drawn, NUM_LABELS - len(carried))
    assert len(ids) == len(carried) + count
    assert all(first < second for first, second in pairwise(ids))
    assert carried < set(ids) <= set(range(NUM_LABELS))
    weight = (NUM_LABELS - len(carried)) / count
    assert batch.label_weights.tolist() == pytest.approx([1 if id_ in carried else weight for id_ in ids])
    points, columns = batch.positives.unbind(dim=1)
    assert torch.equal(torch.stack([points, batch.label_ids[columns]], dim=1), full.positives)
    assert torch.equal(batch.relevance, full.relevance)


def test_drawing_all_other_labels_returns_all_labels():
    batch = make_dataset(NUM_LABELS)[np.arange(6)]
    assert batch.label_ids.tolist() == list(range(NUM_LABELS))
    assert batch.label_weights.tolist() == [1] * NUM_LABELS
    assert torch.equal(batch.positives, WeightedLabelsDataset(make_split())[np.arange(6)].positives)


def test_unweighed_labels_count_once():
    assert set(make_dataset(1, weighed=False)[np.arange(6)].label_weights.tolist()) == {1}


def test_draws_depend_only_on_seed_and_points():
    def ids(rows, seed=0):
        return make_dataset(2, seed=seed)[np.array(rows)].label_ids.tolist()

    np.random.seed(1)  # noqa: NPY002
    expected = ids([0, 3, 5])
    np.random.seed(2)  # noqa: NPY002
    torch.manual_seed(2)
    assert ids([0, 3, 5]) == expected
    assert {tuple(ids([0, 3, 5], seed)) for seed in range(20)} > {tuple(expected)}
    orders = [[0, 3, 5], [3, 0, 5], [5, 3, 0], [5, 0, 3], [0, 5, 3], [3, 5, 0]]
    assert len({tuple(ids(order)) for order in orders}) > 1  # another epoch has another order


@pytest.mark.parametrize("excluded", [[], [0], [8], [0, 1, 2], [2, 5, 6], list(range(9))], ids=str)
def test_draw_others_can_return_all_labels_that_are_not_excluded(excluded):
    rng = np.random.default_rng(0)
    found = draw_others(np.array(excluded, np.int64), NUM_LABELS, NUM_LABELS, rng)
    assert sorted(found.tolist()) == sorted(set(range(NUM_LABELS)) - set(excluded))


def test_draw_others_is_uniform_over_sets():
    rng, draws = np.random.default_rng(0), 6000
    excluded = np.array([1, 4, 7])
    found = [frozenset(draw_others(excluded, 8, 2, rng).tolist()) for _ in range(draws)]
    pairs = [frozenset(pair) for pair in combinations((0, 2, 3, 5, 6), 2)]
    share = 1 / comb(5, 2)
    error = np.sqrt(draws * share * (1 - share))
    assert set(found) == set(pairs)
    assert max(abs(found.count(pair) - draws * share) for pair in pairs) < 5 * error


def test_draw_others_handles_very_many_labels():
    """An array with one entry per label would not fit into memory here."""
    found = draw_others(np.array([0, 10**14]), 10**15, 1000, np.random.default_rng(0))
    assert len(set(found.tolist()) - {0, 10**14}) == 1000


# --- unbiased sums ---------------------------------------------------------------------------------------


DRAWS = 1000


def partition_sums(scores, **changes):
    """Yield the weighted sum of exponentials over the labels of a batch, for many draws."""
    for seed in range(DRAWS):
        batch = make_dataset(2, seed=seed, **changes)[np.arange(6)]
        yield float(np.exp(scores[batch.label_ids.numpy()]) @ batch.label_weights.numpy())


def test_weighed_partition_sum_is_unbiased():
    scores = np.random.default_rng(1).normal(0, 2, NUM_LABELS)
    exact, found = np.exp(scores).sum(), list(partition_sums(scores))
    assert abs(np.mean(found) - exact) < 5 * np.std(found) / np.sqrt(DRAWS)
    below = list(partition_sums(scores, weighed=False))
    assert exact - np.mean(below) > 5 * np.std(below) / np.sqrt(DRAWS)


def test_softmax_loss_uses_the_weighed_partition_sum():
    batch = make_dataset(2)[np.arange(6)]
    scores = torch.randn(6, len(batch.label_ids), generator=torch.Generator().manual_seed(0))
    found = Softmax().loss(scores, batch.positives, batch.relevance, batch.label_weights)
    partition = logsumexp(scores.numpy(), axis=1, b=batch.label_weights.numpy())
    points, columns = batch.positives.numpy().T
    expected = (batch.relevance.numpy() * (partition[points] - scores.numpy()[points, columns])).sum() / 6
    assert found.item() == pytest.approx(expected, rel=1e-5)


def test_logistic_loss_and_its_gradient_are_unbiased():
    rows, losses, gradients = np.arange(6), [], []
    scores = torch.randn(6, NUM_LABELS, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for seed in range(DRAWS):
        batch, free = make_dataset(2, seed=seed)[rows], scores.clone().requires_grad_()
        chosen = free[:, batch.label_ids]
        loss = Logistic().loss(chosen, batch.positives, batch.relevance, batch.label_weights)
        loss.backward()
        losses.append(loss.item())
        gradients.append(free.grad.numpy())
    full, free = WeightedLabelsDataset(make_split())[rows], scores.clone().requires_grad_()
    exact = Logistic().loss(free, full.positives, full.relevance)
    exact.backward()
    assert abs(np.mean(losses) - exact.item()) < 5 * np.std(losses) / np.sqrt(DRAWS)
    error = np.std(gradients, axis=0) / np.sqrt(DRAWS) + 1e-7
    assert (abs(np.mean(gradients, axis=0) - free.grad.numpy()) < 5 * error).all()
