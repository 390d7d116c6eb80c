import math

import napkinxc.metrics as napkinxc
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix, random_array
from torch.testing import assert_close

from xcgraph.batch import LabelSets
from xcgraph.metrics import functional

rankings = st.integers(0, 5).flatmap(
    lambda width: st.lists(st.lists(st.integers(-1, 6), min_size=width, max_size=width), max_size=4)
)


def label_sets(rows, dtype=torch.int64):
    offsets = np.cumsum([0, *map(len, rows)])
    ids = [label for row in rows for label in row]
    return LabelSets(torch.tensor(ids, dtype=dtype), torch.tensor(offsets, dtype=dtype))


@st.composite
def rankings_and_sets(draw):
    ranked = draw(rankings.filter(len))
    sets = draw(st.lists(st.sets(st.integers(0, 6)), min_size=len(ranked), max_size=len(ranked)))
    return ranked, sets


def test_inverse_propensity_matches_example_by_hand():
    # For A = B = 1, C = 2 (ln N − 1). Counts of 0, 1, 3 give q = 2 ln N − 1, ln N, (ln N + 1) / 2.
    found = functional.inverse_propensity(
        torch.tensor([0, 1, 3]), num_points=1000, propensity_a=1.0, propensity_b=1.0
    )
    log = math.log(1000)
    assert_close(found, torch.tensor([2 * log - 1, log, (log + 1) / 2], dtype=torch.float64))


@pytest.mark.parametrize(("a", "b"), [(0.55, 1.5), (0.6, 2.6), (0.5, 0.4)])
def test_inverse_propensity_matches_napkinxc(a, b):
    labels = csr_matrix(random_array((200, 30), density=0.05, rng=np.random.default_rng(0)) != 0)
    counts = torch.from_numpy(np.bincount(labels.indices, minlength=30))
    found = functional.inverse_propensity(counts, 200, propensity_a=a, propensity_b=b)
    np.testing.assert_allclose(found, napkinxc.Jain_et_al_inverse_propensity(labels, a, b), rtol=1e-14)


def test_inverse_propensity_without_points_is_refused():
    with pytest.raises(ValueError, match="at least 1 training point, got 0"):
        functional.inverse_propensity(torch.tensor([0]), 0, propensity_a=0.5, propensity_b=1.0)


@pytest.mark.parametrize("dtype", [torch.int32, torch.int64])
def test_contains_searches_only_the_same_row(dtype):
    ids = torch.tensor([[3, 1, -1], [3, 1, 0], [0, 2, 3]], dtype=dtype)
    found = functional.contains(label_sets([[1], [], [3, 0]], dtype), ids)
    assert found.tolist() == [[False, True, False], [False, False, False], [True, False, True]]


@given(rankings_and_sets())
def test_contains_matches_python_sets(case):
    ranked, sets = case
    found = functional.contains(label_sets(sets), torch.tensor(ranked).long())
    assert found.tolist() == [[label in row for label in ids] for ids, row in zip(ranked, sets, strict=True)]


def test_contains_accepts_the_largest_ids():
    last = 2**31 - 1
    ids = torch.tensor([[last, 0], [0, last]])
    assert functional.contains(label_sets([[last], [last]]), ids).tolist() == [[True, False], [False, True]]


def test_contains_accepts_no_rows_or_labels():
    assert functional.contains(label_sets([]), torch.empty(0, 3, dtype=torch.int64)).shape == (0, 3)
    assert functional.contains(label_sets([[], [1]]), torch.empty(2, 0, dtype=torch.int64)).shape == (2, 0)
    assert not functional.contains(label_sets([[], []]), torch.tensor([[0], [-1]])).any()


def test_contains_refuses_another_number_of_sets():
    with pytest.raises(ValueError, match="1 rows, 2 sets"):
        functional.contains(label_sets([[1], [2]]), torch.tensor([[1]]))


def test_first_ranks_truncates_and_pads():
    ranked = torch.tensor([[4, 2, 7]])
    assert functional.first_ranks(ranked, 2).tolist() == [[4, 2]]
    assert functional.first_ranks(ranked, 3).tolist() == [[4, 2, 7]]
    assert functional.first_ranks(ranked, 5).tolist() == [[4, 2, 7, -1, -1]]
    assert functional.first_ranks(ranked[:, :0], 1).tolist() == [[-1]]


def test_remove_filtered_moves_later_ids_up():
    ranked = torch.tensor([[5, 1, 4, 2], [5, 1, 4, 2], [5, -1, 1, 5]])
    found = functional.remove_filtered(ranked, label_sets([[1], [2, 4, 1, 5], [5]]))
    assert found.tolist() == [[5, 4, 2, -1], [-1, -1, -1, -1], [-1, 1, -1, -1]]


@given(rankings_and_sets())
def test_remove_filtered_matches_python_lists(case):
    ranked, sets = case
    before = torch.tensor(ranked).long()
    found = functional.remove_filtered(before, label_sets(sets))
    for row, ids, filtered in zip(found.tolist(), ranked, sets, strict=True):
        kept = [label for label in ids if label not in filtered]
        assert row == kept + [-1] * (len(ids) - len(kept))
    assert before.tolist() == ranked


def test_find_hits_counts_a_repeated_id_once_at_its_best_rank():
    ranked = torch.tensor([[7, 3, 7, 3], [-1, -1, 7, 0]])
    found = functional.find_hits(ranked, label_sets([[7, 3], [7]]))
    assert found.tolist() == [[True, True, False, False], [False, False, True, False]]


@given(rankings_and_sets())
def test_find_hits_matches_python_sets(case):
    ranked, sets = case
    found = functional.find_hits(torch.tensor(ranked).long(), label_sets(sets))
    for hits, ids, true_labels in zip(found.tolist(), ranked, sets, strict=True):
        assert hits == [label in true_labels - set(ids[:rank]) for rank, label in enumerate(ids)]


@given(st.lists(st.sets(st.integers(0, 6)), max_size=5), st.integers(1, 8), st.booleans())
def test_best_gains_match_sorted_lists(sets, k, negative):
    # Inverse propensities can be negative for fewer than 3 training points. They rank last but count.
    weights = torch.tensor([3.0, 1.5, 9.0, 1.5, 2.0, -0.5 if negative else 0.5, 7.0], dtype=torch.float64)
    found = functional.best_gains(label_sets(sets), weights, k)
    best = [sorted((weights[label].item() for label in row), reverse=True) for row in sets]
    assert found.tolist() == [(row + [0.0] * k)[:k] for row in best]


def test_set_sizes_counts_the_labels():
    assert functional.set_sizes(label_sets([[1, 2], [], [0]])).tolist() == [2, 0, 1]


def test_precision_divides_by_the_rank():
    gains = torch.tensor([[1.0, 0.0, 1.0], [0.0, 0.0, 6.0]], dtype=torch.float64)
    expected = torch.tensor([[1, 1 / 2, 2 / 3], [0, 0, 2]], dtype=torch.float64)
    assert_close(functional.precision(gains), expected)


def test_ndcg_divides_by_the_gain_of_all_true_labels():
    gains = torch.tensor([[0.0, 1.0, 1.0]] * 4, dtype=torch.float64)
    second, third = 1 / math.log2(3), 1 / 2
    found = functional.ndcg(gains, torch.tensor([0, 1, 2, 9]))
    expected = [
        [0, second, second + third],  # without true labels there are no hits, so real values are 0
        [0, second, second + third],
        [0, second / (1 + second), (second + third) / (1 + second)],
        [0, second / (1 + second), (second + third) / (1 + second + third)],
    ]
    assert_close(found, torch.tensor(expected, dtype=torch.float64))


def test_recall_divides_by_the_number_of_true_labels():
    gains = torch.tensor([[1.0, 0.0, 1.0], [0.0, 0.0, 0.0]], dtype=torch.float64)
    expected = torch.tensor([[1 / 4, 1 / 4, 2 / 4], [0, 0, 0]], dtype=torch.float64)
    assert_close(functional.recall(gains, torch.tensor([4, 0])), expected)
