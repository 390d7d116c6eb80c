import numpy as np
import pytest

from benchmarks.retrieval import ask, recall

EXACT = np.array([[4, 2, 7], [1, 0, 3]])


@pytest.mark.parametrize(("k", "share"), [(1, 0.5), (2, 0.5), (3, 5 / 6)])
def test_recall_is_the_share_of_exact_labels_that_were_found(k, share):
    found = np.array([[4, 9, 2], [0, 3, 1]])
    assert recall(found, EXACT, k) == pytest.approx(share)


def test_missing_labels_count_as_not_found():
    assert recall(np.array([[4, -1, -1], [1, 0, -1]]), EXACT, 3) == pytest.approx(0.5)


def test_ask_searches_each_point_separately():
    points = np.arange(6, dtype=np.float32).reshape(3, 2)
    asked = []

    def search(point):
        asked.append(point.tolist())
        return np.array([[int(point[0, 0]), 9]])

    found = ask(points, search)
    assert asked == [[[0, 1]], [[0, 1]], [[2, 3]], [[4, 5]]]  # the first search is the warm-up
    assert found.labels.tolist() == [[0, 9], [2, 9], [4, 9]]
    assert len(found.took) == 3
