import numpy as np
import pytest
from scipy.sparse import csr_array

from xcgraph.data.anchors import AnchorSet
from xcgraph.errors import UserError
from xcgraph.graph.base import IdentityGraph
from xcgraph.recipes.anchors import LabelAnchors, NoAnchors
from xcgraph.recipes.positives import AugmentedLabels, ObservedLabels

LABELS = csr_array(np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]], np.float32))


def make_anchors(points, named):
    """Return an anchor set; only the links of points and of anchors to labels matter."""
    some = csr_array((len(named), 5), dtype=np.float32)
    rows, columns = np.nonzero(~np.isnan(points))
    links = csr_array((points[rows, columns].astype(np.float32), (rows, columns)), shape=points.shape)
    return AnchorSet(
        features=some, points=links, labels=some, anchor_labels=csr_array(np.array(named, np.float32))
    )


NO = np.nan  # no link; a link of value 0 only excludes negatives
ANCHORS = make_anchors(
    np.array([[1, 1, 1], [0, NO, 1], [NO, NO, NO]]),
    [[1, 1, 0, 0], [0, 0.5, 0, 0], [0, 0, 2, 1]],
)


def test_observed_labels_are_the_labels_of_the_dataset():
    assert ObservedLabels().targets(LABELS, [ANCHORS]) is LABELS


@pytest.mark.parametrize(
    ("most", "expected"),
    [
        (10, [[1, 1, 1, 1], [0, 1, 1, 1], [0, 0, 0, 0]]),
        # Label 1 is suggested by two anchors of the first point.
        (1, [[1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 0, 0]]),
    ],
)
def test_augmented_labels_add_the_most_suggested_labels(most, expected):
    found = AugmentedLabels(max_per_point=most).targets(LABELS, [ANCHORS])
    assert found.toarray().tolist() == expected
    assert LABELS.nnz == 2
    assert (LABELS.data == 1).all()


def test_augmented_labels_take_several_anchor_sets_or_none():
    other = make_anchors(np.array([[NO], [NO], [1]]), [[0, 0, 0, 1]])
    found = AugmentedLabels(max_per_point=1).targets(LABELS, [ANCHORS, other])
    assert found.toarray().tolist() == [[1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 0, 1]]
    assert AugmentedLabels().targets(LABELS, []).toarray().tolist() == LABELS.toarray().tolist()


def test_augmented_labels_need_anchors():
    ObservedLabels().check(NoAnchors())
    AugmentedLabels().check(LabelAnchors(graph=IdentityGraph()))
    with pytest.raises(UserError, match="positives=augmented needs anchors"):
        AugmentedLabels().check(NoAnchors())


def test_max_per_point_must_be_positive():
    with pytest.raises(UserError, match=r"positives\.max_per_point must be ≥ 1, got 0"):
        AugmentedLabels(max_per_point=0)
