import math

import napkinxc.metrics as napkinxc
import numpy as np
import pytest
import torch
from scipy.sparse import csr_array, csr_matrix, random_array

from xcgraph.data.xc_data import NO_PAIRS, Split, XCData
from xcgraph.errors import UserError
from xcgraph.metrics import evaluate
from xcgraph.metrics.evaluate import evaluate_scores, training_inverse_propensity


def make_split(labels, pairs=NO_PAIRS):
    labels = csr_array(labels, dtype=np.float32)
    return Split(csr_array((labels.shape[0], 2), dtype=np.float32), labels, np.asarray(pairs, np.int64))


def random_split_and_scores(points=80, labels=25, seed=0):
    rng = np.random.default_rng(seed)
    true_labels = random_array((points, labels), density=0.1, format="csr", rng=rng) != 0
    # Few distinct values give ties, also at the last rank. Log-probabilities are negative.
    scores = random_array((points, labels), density=0.4, format="csr", rng=rng)
    scores.data = (-rng.integers(1, 4, scores.nnz)).astype(np.float32)
    scored = np.column_stack(scores.nonzero())
    pairs = scored[rng.random(len(scored)) < 0.2]
    return make_split(true_labels, np.concatenate([pairs, pairs[:5], [[0, 3]]])), csr_array(scores)


def rank_slowly(scores, pairs):
    """Return each row's stored labels without the filtered ones, sorted by score and then by label."""
    filtered = {(int(row), int(label)) for row, label in pairs}
    rows = [
        zip(-scores.data[start:stop], scores.indices[start:stop], strict=True)
        for start, stop in zip(scores.indptr[:-1], scores.indptr[1:], strict=True)
    ]
    return [
        [int(label) for _, label in sorted(row) if (point, int(label)) not in filtered]
        for point, row in enumerate(rows)
    ]


@pytest.mark.parametrize("chunk_rows", [1, 7, 80, 100_000])
def test_evaluation_matches_sorted_lists_and_napkinxc(chunk_rows, monkeypatch):
    monkeypatch.setattr(evaluate, "_CHUNK_ROWS", chunk_rows)
    split, scores = random_split_and_scores()
    weights = 1 + 5 * np.random.default_rng(1).random(25)
    found = evaluate_scores(scores, split, inverse_propensity=torch.from_numpy(weights), ks=range(1, 8))
    predictions = rank_slowly(scores, split.filter_pairs)
    true_lists = [row.nonzero()[0].tolist() for row in split.labels.toarray()]
    expected = {
        "P": napkinxc.precision_at_k(true_lists, predictions, 7),
        "nDCG": napkinxc.ndcg_at_k(true_lists, predictions, 7),
        "PSP": napkinxc.psprecision_at_k(true_lists, predictions, weights, 7),
        "PSnDCG": napkinxc.psndcg_at_k(true_lists, predictions, weights, 7),
        "R": napkinxc.recall_at_k(true_lists, predictions, 7),
    }
    assert found == pytest.approx(
        {f"{name}@{k}": values[k - 1] for name, values in expected.items() for k in range(1, 8)}, abs=1e-12
    )


def test_ties_rank_by_label():
    scores = csr_array(np.full((2, 4), 0.5, np.float32))
    found = evaluate_scores(scores, make_split([[1, 0, 0, 0], [0, 0, 0, 1]]), inverse_propensity=None)
    assert found["P@1"] == 1 / 2
    assert found["R@3"] == 1 / 2


def test_only_stored_scores_are_predictions():
    # Row 0 stores the log-probability 0, which means certainty. Row 1 stores one label, which is wrong.
    scores = csr_array((np.array([-1.0, 0.0, -9.0]), np.array([0, 1, 2]), np.array([0, 2, 3])), shape=(2, 3))
    found = evaluate_scores(scores, make_split([[0, 1, 0], [1, 1, 0]]), inverse_propensity=None, ks=(1, 3))
    assert found["P@1"] == 1 / 2
    assert found["R@3"] == 1 / 2


def test_filtered_labels_are_replaced_by_the_next_labels():
    scores = csr_array(np.array([[9, 8, 7, 6, 5], [9, 8, 7, 6, 5]], np.float32))
    true_labels = [[1, 0, 0, 0, 1], [1, 0, 0, 0, 0]]
    split = make_split(true_labels, [[0, 0], [0, 1], [0, 2], [0, 3], [0, 3]])
    found = evaluate_scores(scores, split, inverse_propensity=None, ks=(1,))
    assert found == {"P@1": 1.0, "nDCG@1": 1.0, "R@1": (1 / 2 + 1) / 2}


def test_stored_zeros_and_repeated_entries_of_labels():
    labels = csr_array(
        (np.array([1, 1, 0, 1], np.float32), np.array([2, 2, 1, 0]), np.array([0, 3, 4])), shape=(2, 3)
    )
    scores = csr_array(np.array([[0.1, 0.3, 0.2], [0.3, 0.2, 0.1]], np.float32))
    found = evaluate_scores(scores, make_split(labels), inverse_propensity=torch.ones(3), ks=(1, 2))
    assert found["P@1"] == 1 / 2
    assert found["R@2"] == found["PSP@2"] == 1


def test_evaluate_scores_does_not_change_its_arguments():
    split, scores = random_split_and_scores()
    split.labels.data[3] = 0
    matrices = (scores, split.labels)
    before = [(m.data.copy(), m.indices.copy(), m.indptr.copy()) for m in matrices]
    evaluate_scores(scores, split, inverse_propensity=None)
    for matrix, (data, indices, indptr) in zip(matrices, before, strict=True):
        np.testing.assert_array_equal(matrix.data, data)
        np.testing.assert_array_equal(matrix.indices, indices)
        np.testing.assert_array_equal(matrix.indptr, indptr)


def test_no_scores_give_zero_and_no_points_give_nan():
    split = make_split([[1, 0], [0, 1]])
    found = evaluate_scores(csr_array((2, 2), dtype=np.float32), split, inverse_propensity=torch.ones(2))
    assert set(found.values()) == {0.0}
    empty = make_split(np.zeros((0, 2)))
    with pytest.warns(UserWarning, match="before the ``update`` method"):
        found = evaluate_scores(csr_array((0, 2), dtype=np.float32), empty, inverse_propensity=None)
    assert all(math.isnan(value) for value in found.values())


@pytest.mark.parametrize("shape", [(3, 2), (2, 3)])
def test_scores_of_other_data_are_refused(shape):
    message = rf"2 points × 2 labels, found {shape[0]} × {shape[1]}"
    with pytest.raises(UserError, match=message):
        evaluate_scores(csr_array(shape, dtype=np.float32), make_split(np.eye(2)), inverse_propensity=None)


def test_nan_scores_are_refused():
    scores = csr_array(np.array([[0.5, np.nan]], np.float32))
    with pytest.raises(UserError, match="found NaN"):
        evaluate_scores(scores, make_split([[1, 0]]), inverse_propensity=None)


def test_training_inverse_propensity_matches_napkinxc():
    split, _ = random_split_and_scores(points=200)
    split.labels.data[::7] = 0  # a stored zero is not a label
    data = XCData(
        name="tiny",
        train=split,
        test=make_split(np.zeros((0, 25))),
        label_features=csr_array((25, 2), dtype=np.float32),
        propensity_a=0.6,
        propensity_b=2.6,
    )
    expected = napkinxc.Jain_et_al_inverse_propensity(csr_matrix(split.labels, dtype=np.float64), 0.6, 2.6)
    np.testing.assert_allclose(training_inverse_propensity(data), expected, rtol=1e-14)
