from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest
from scipy.sparse import csr_array

from xcgraph.data.metadata import GraphMetadata
from xcgraph.data.xc_data import NO_PAIRS, Split, XCData
from xcgraph.errors import UserError


def make_split(points=3, tokens=4, labels=5, pairs=((0, 1), (2, 4), (2, 0)), seed=0):
    rng = np.random.default_rng(seed)
    features = rng.random((points, tokens)) * (rng.random((points, tokens)) < 0.7)
    return Split(
        csr_array(features, dtype=np.float32),
        csr_array(rng.random((points, labels)) < 0.5, dtype=np.float32),
        np.array(pairs, np.int64).reshape(-1, 2),
    )


def make_data(**changes):
    data = XCData(
        name="tiny",
        train=make_split(),
        test=make_split(points=2, pairs=((1, 3),), seed=1),
        label_features=csr_array(np.eye(5, 4, dtype=np.float32)),
        label_names=("a", "b", "c", "d", "e"),
        vocabulary=("t", "u", "v", "w"),
    )
    return replace(data, **changes)


def test_split_refuses_different_numbers_of_rows():
    with pytest.raises(UserError, match="2 rows of features and 3 of labels"):
        replace(make_split(), features=csr_array((2, 4), dtype=np.float32))


@pytest.mark.parametrize("shape", [(0,), (2,), (2, 3)])
def test_split_refuses_pairs_of_another_shape(shape):
    with pytest.raises(UserError, match=r"filter_pairs .*\(pairs, 2\), got \(\d"):
        replace(make_split(), filter_pairs=np.zeros(shape, np.int64))


@pytest.mark.parametrize("pair", [(3, 0), (-1, 0), (0, 5), (0, -1)])
def test_split_refuses_pairs_outside_the_matrix(pair):
    message = rf"filter pair \({pair[0]}, {pair[1]}\) .* 3 points × 5 labels"
    with pytest.raises(UserError, match=message):
        make_split(pairs=((0, 0), pair))


def test_split_may_be_empty_and_is_frozen():
    split = make_split(points=0, pairs=())
    assert len(split) == 0
    with pytest.raises(FrozenInstanceError):
        split.filter_pairs = NO_PAIRS


def test_take_selects_rows_in_order_with_their_pairs():
    split = make_split()
    taken = split.take(np.array([2, 0]))
    np.testing.assert_array_equal(taken.features.toarray(), split.features.toarray()[[2, 0]])
    np.testing.assert_array_equal(taken.labels.toarray(), split.labels.toarray()[[2, 0]])
    assert taken.filter_pairs.tolist() == [[1, 1], [0, 4], [0, 0]]
    assert len(taken) == 2


def test_take_may_select_no_points_or_all():
    split = make_split()
    assert len(split.take(np.empty(0, np.int64))) == 0
    assert split.take(np.empty(0, np.int64)).filter_pairs.shape == (0, 2)
    assert split.take(np.arange(3)).filter_pairs.tolist() == split.filter_pairs.tolist()
    assert make_split(pairs=()).take(np.array([1])).filter_pairs.shape == (0, 2)


def test_take_does_not_change_the_split():
    split = make_split()
    taken = split.take(np.array([2, 0]))
    taken.labels.data[:] = 9
    assert split.labels.data.max() == 1
    assert split.filter_pairs.tolist() == [[0, 1], [2, 4], [2, 0]]


@pytest.mark.parametrize("rows", [[1, 0, 1], [2, -1]])
def test_take_refuses_repeated_rows(rows):
    with pytest.raises(ValueError, match=f"Expected distinct rows, got {rows[0]} twice"):
        make_split().take(np.array(rows))


def test_data_reports_its_sizes():
    assert (make_data().num_labels, make_data().num_tokens) == (5, 4)


@pytest.mark.parametrize("part", ["train", "test"])
@pytest.mark.parametrize(("labels", "tokens"), [(6, 4), (5, 3)])
def test_data_refuses_splits_with_other_labels_or_tokens(part, labels, tokens):
    message = f"tiny: the {part} split has {labels} labels and {tokens} tokens, .* 5 labels and 4 tokens"
    with pytest.raises(UserError, match=message):
        make_data(**{part: make_split(labels=labels, tokens=tokens)})


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("label_names", "tiny: expected 5 label names, found 1"),
        ("vocabulary", r"tiny: expected 4 vocabulary .*found 1"),
    ],
)
def test_data_refuses_a_wrong_number_of_names(field, message):
    with pytest.raises(UserError, match=message):
        make_data(**{field: ("one",)})
    assert getattr(make_data(**{field: ()}), field) == ()


def make_metadata(anchors=6, **changes):
    rng = np.random.default_rng(5)
    parts = {
        part: csr_array(rng.random((rows, anchors)) < 0.5, dtype=np.float32)
        for part, rows in (("train", 3), ("test", 2), ("labels", 5))
    }
    return GraphMetadata(**{**parts, **changes})


@pytest.mark.parametrize("part", ["train", "test", "labels"])
def test_data_refuses_metadata_with_other_rows(part):
    links = {"links": make_metadata(**{part: csr_array((7, 6), dtype=np.float32)})}
    with pytest.raises(UserError, match=rf"tiny: expected \d rows in the {part} part .* links, found 7"):
        make_data(metadata=links)
