import numpy as np
import pytest
from scipy.sparse import csr_array

from xcgraph.data.holdout import hold_out, hold_out_rows
from xcgraph.data.xc_data import NO_PAIRS, Split
from xcgraph.errors import UserError


def make_split(points=20, pairs=NO_PAIRS):
    """Return points that each have one token, which identifies them."""
    labels = csr_array(np.arange(points)[:, None] % 3 == np.arange(3), dtype=np.float32)
    return Split(csr_array(np.eye(points, dtype=np.float32)), labels, np.array(pairs, np.int64))


def points_of(split):
    return split.features.indices.tolist()


@pytest.mark.parametrize(("fraction", "held"), [(0.05, 1), (0.25, 5), (0.5, 10), (0.95, 19)])
def test_parts_are_disjoint_complete_and_sorted(fraction, held):
    learned, validated = map(points_of, hold_out(make_split(), fraction, seed=0))
    assert len(validated) == held
    assert sorted(learned + validated) == list(range(20))
    assert (learned, validated) == (sorted(learned), sorted(validated))


def test_points_keep_their_labels_and_filter_pairs():
    train = make_split(pairs=[[point, point % 2] for point in range(20)])
    for part in hold_out(train, 0.25, seed=0):
        points = np.array(points_of(part))
        assert part.labels.indices.tolist() == (points % 3).tolist()
        assert sorted(part.filter_pairs.tolist()) == [[row, point % 2] for row, point in enumerate(points)]


def test_choice_depends_only_on_the_seed():
    first = points_of(hold_out(make_split(), 0.25, seed=0)[1])
    np.random.seed(5)  # noqa: NPY002
    assert points_of(hold_out(make_split(), 0.25, seed=0)[1]) == first
    choices = {tuple(points_of(hold_out(make_split(), 0.25, seed)[1])) for seed in range(10)}
    assert len(choices) == 10


def test_every_point_can_be_held_out():
    held = {point for seed in range(60) for point in points_of(hold_out(make_split(), 0.25, seed)[1])}
    assert held == set(range(20))


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1, 1.5, float("nan")])
def test_fraction_out_of_range_is_refused(fraction):
    with pytest.raises(UserError, match=rf"validation_fraction .*\(0, 1\).* {fraction}"):
        hold_out(make_split(), fraction, seed=0)


@pytest.mark.parametrize(
    ("points", "fraction", "held"),
    [(20, 0.01, 1), (20, 0.99, 19), (10, 0.05, 1), (3, 0.05, 1), (2, 0.05, 1), (2, 0.99, 1), (30, 0.05, 2)],
)
def test_both_parts_have_at_least_one_point(points, fraction, held):
    learned, validated = hold_out(make_split(points), fraction, seed=0)
    assert (len(learned), len(validated)) == (points - held, held)


@pytest.mark.parametrize("points", [0, 1])
def test_fewer_than_two_points_are_refused(points):
    with pytest.raises(UserError, match=f"at least 2 training points.* found {points}"):
        hold_out_rows(points, 0.5, seed=0)
