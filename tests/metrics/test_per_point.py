import numpy as np
import pytest
import torch
from scipy.sparse import csr_array

from xcgraph.data.xc_data import Split
from xcgraph.errors import UserError
from xcgraph.metrics import evaluate
from xcgraph.metrics.evaluate import evaluate_scores, training_inverse_propensity
from xcgraph.metrics.per_point import measure_points, rank_points


@pytest.fixture
def scores(toy):
    rng = np.random.default_rng(0)
    return csr_array(rng.random(toy.data.test.labels.shape, np.float32))


@pytest.mark.parametrize("chunk_rows", [7, 100_000])
def test_means_over_points_match_evaluate_scores(toy, scores, chunk_rows, monkeypatch):
    monkeypatch.setattr(evaluate, "_CHUNK_ROWS", chunk_rows)
    weights = training_inverse_propensity(toy.data)

    found = measure_points(scores, toy.data.test, inverse_propensity=weights)

    assert found.gained.shape == found.possible.shape == (15, len(toy.data.test))
    assert found.metrics() == pytest.approx(
        evaluate_scores(scores, toy.data.test, inverse_propensity=weights), abs=1e-12
    )


def test_point_values_match_example_by_hand():
    split = Split(csr_array((1, 2), dtype=np.float32), csr_array([[1, 0, 1.0]]), np.array([[0, 1]]))

    found = measure_points(
        csr_array([[0.1, 0.9, 0.5]]), split, inverse_propensity=torch.tensor([2.0, 1.0, 4.0]), ks=[1, 2]
    )

    values = dict(zip(found.names, found.gained[:, 0], strict=True))
    assert (values["P@1"], values["P@2"], values["R@1"]) == (1, 1, 0.5)
    assert (values["PSP@1"], values["PSP@2"]) == (4, 3)


def test_rank_points_removes_filtered_labels_and_pads():
    split = Split(csr_array((2, 2), dtype=np.float32), csr_array((2, 3)), np.array([[0, 1]]))

    ranked = rank_points(csr_array([[0.1, 0.9, 0.5], [0, 0, 0.3]]), split, 2)

    assert ranked.tolist() == [[2, 0], [2, -1]]


def test_scores_of_other_data_are_refused(toy, scores):
    points, labels = scores.shape
    with pytest.raises(UserError, match=f"{points} points × {labels} labels, found {points - 1} × {labels}"):
        rank_points(scores[:-1], toy.data.test, 1)
