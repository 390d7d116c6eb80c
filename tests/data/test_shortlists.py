from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from xcgraph.data.batching import AllLabelsDataset
from xcgraph.data.shortlists import ShortlistDataset
from xcgraph.data.xc_data import NO_PAIRS, Split
from xcgraph.sparse import binary_rows

NUM_LABELS = 6
PRIORS = st.sampled_from([-0.25, -0.5, -3.0, 0.0])


@dataclass(frozen=True)
class Case:
    """A data set as plain lists; beams are (meta-label, log-prior) per point, best first."""

    labels: list[list[int]]
    beams: list[list[tuple[int, float]]]
    members: list[list[int]]
    neighbours: list[list[int]] | None
    rows: list[int]

    def dataset(self):
        points = len(self.labels)
        split = Split(
            csr_array(np.arange(1, points + 1)[:, None], dtype=np.float32),
            binary_rows(self.labels, NUM_LABELS),
            np.array([[point, point % NUM_LABELS] for point in range(points)], np.int64).reshape(-1, 2),
        )
        neighbours = None if self.neighbours is None else binary_rows(self.neighbours, NUM_LABELS)
        return ShortlistDataset(
            split,
            np.array([[meta for meta, _ in beam] for beam in self.beams], np.int32),
            np.array([[prior for _, prior in beam] for beam in self.beams], np.float32),
            binary_rows(self.members, NUM_LABELS),
            neighbours,
        )

    def shortlist(self, point):
        """Return (label, log-prior): the members of each meta-label, then the neighbours of these labels."""
        prior_of = {}
        for meta, prior in self.beams[point]:
            if meta >= 0:
                prior_of.update(dict.fromkeys(self.members[meta], prior))
        if self.neighbours is not None:
            for label in list(prior_of):
                for neighbour in self.neighbours[label]:
                    prior_of.setdefault(neighbour, 0.0)
        return list(prior_of.items())


@st.composite
def cases(draw):
    """Generate cases: disjoint meta-labels, labels without a meta-label, padding anywhere, any row order."""
    num_meta = draw(st.integers(1, 4))
    meta_of = draw(st.lists(st.integers(-1, num_meta - 1), min_size=NUM_LABELS, max_size=NUM_LABELS))
    some_labels = st.lists(st.integers(0, NUM_LABELS - 1), unique=True)
    labels = draw(st.lists(some_labels, min_size=1, max_size=4))
    padded = st.permutations([*range(num_meta), -1, -1])
    size = draw(st.integers(0, num_meta + 2))
    beams = [[(m, draw(PRIORS) if m >= 0 else 0.0) for m in draw(padded)[:size]] for _ in labels]
    one_list_each = st.lists(some_labels, min_size=NUM_LABELS, max_size=NUM_LABELS)
    return Case(
        labels=labels,
        beams=beams,
        members=[
            [label for label in range(NUM_LABELS) if meta_of[label] == meta] for meta in range(num_meta)
        ],
        neighbours=draw(st.none() | one_list_each),
        rows=draw(st.lists(st.integers(0, len(labels) - 1), max_size=5)),
    )


def make_case(**changes):
    """Return a case of two points. The meta-labels are {1, 4}, {0} and {2, 3}; label 5 has no meta-label."""
    parts = {
        "labels": [[5, 3, 1], [0]],
        "beams": [[(2, -0.5), (0, -1.0)], [(-1, 0.0), (1, -0.25)]],
        "members": [[1, 4], [0], [2, 3]],
        "neighbours": None,
        "rows": [0, 1],
    }
    return Case(**{**parts, **changes})


def entries(batch, row):
    """Return (label, log-prior, whether it is a positive) of a point's shortlist, without padding."""
    shortlist = batch.shortlist
    true = {tuple(pair) for pair in batch.positives.tolist()}
    return [
        (int(shortlist.label_ids[place]), float(shortlist.log_prior[row, column]), (row, column) in true)
        for column, place in enumerate(shortlist.positions[row].tolist())
        if place >= 0
    ]


@settings(deadline=None, max_examples=200)
@given(cases())
def test_shortlists_match_plain_python(case):
    batch = case.dataset()[np.array(case.rows, np.int64)]
    shortlists = [case.shortlist(point) for point in case.rows]

    for row, point in enumerate(case.rows):
        expected = [(label, prior, label in case.labels[point]) for label, prior in shortlists[row]]
        assert entries(batch, row) == expected
    distinct = sorted({label for shortlist in shortlists for label, _ in shortlist})
    assert batch.shortlist.label_ids.tolist() == distinct
    assert len(batch.positives) == sum(true for row in range(len(batch)) for *_, true in entries(batch, row))
    assert batch.shortlist.log_prior[batch.shortlist.positions < 0].count_nonzero() == 0
    assert batch.shortlist.log_prior.shape == batch.shortlist.positions.shape


@settings(deadline=None, max_examples=50)
@given(cases())
def test_other_parts_equal_the_batches_without_shortlist(case):
    dataset, rows = case.dataset(), np.array(case.rows, np.int64)
    full = AllLabelsDataset.__getitem__(dataset, rows)
    batch = dataset[rows]
    for part in ("tokens", "labels", "filtered"):
        for name, tensor in vars(getattr(full, part)).items():
            assert torch.equal(getattr(getattr(batch, part), name), tensor)
    assert (len(dataset), dataset.num_labels) == (len(case.labels), NUM_LABELS)


def test_shortlist_matches_example_by_hand():
    batch = make_case().dataset()[np.array([0, 1])]
    assert batch.shortlist.label_ids.tolist() == [0, 1, 2, 3, 4]
    assert batch.shortlist.positions.tolist() == [[2, 3, 1, 4], [0, -1, -1, -1]]
    assert batch.shortlist.log_prior.tolist() == [[-0.5, -0.5, -1, -1], [-0.25, 0, 0, 0]]
    # Label 5 is a true label without a meta-label.
    assert batch.positives.tolist() == [[0, 1], [0, 2], [1, 0]]
    assert batch.labels.ids.tolist() == [1, 3, 5, 0]


def test_neighbours_join_once_and_only_over_one_hop():
    neighbours = [[0, 5, 1], [4, 5, 2], [3, 5, 2], [], [0], [1]]
    batch = make_case(neighbours=neighbours).dataset()[np.array([0, 1])]
    assert [label for label, *_ in entries(batch, 0)] == [2, 3, 1, 4, 5, 0]
    assert [label for label, *_ in entries(batch, 1)] == [0, 5, 1]
    assert entries(batch, 0)[-2:] == [(5, 0.0, True), (0, 0.0, False)]


def test_beam_may_be_all_padding():
    batch = make_case(beams=[[(-1, 0.0)], [(-1, 0.0)]]).dataset()[np.array([0, 1])]
    assert batch.shortlist.positions.shape == (2, 0)
    assert (len(batch.shortlist.label_ids), len(batch.positives)) == (0, 0)


def test_label_of_two_meta_labels_is_scored_for_each():
    case = make_case(members=[[1, 4], [0], [1, 3]], labels=[[1], [0]])
    batch = case.dataset()[np.array([0])]
    assert entries(batch, 0) == [(1, -0.5, True), (3, -0.5, False), (1, -1.0, True), (4, -1.0, False)]


def test_positives_point_at_the_true_labels():
    case = make_case()
    batch = case.dataset()[np.array([1, 0])]
    labels = batch.shortlist.label_ids[
        batch.shortlist.positions[batch.positives[:, 0], batch.positives[:, 1]]
    ]
    assert labels.tolist() == [0, 3, 1]


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ({"beams": np.zeros((1, 2), np.int32)}, r"have shape \(2, beam\), got \(1, 2\) and \(2, 2\)"),
        ({"log_prior": np.zeros((2, 3), np.float32)}, r"got \(2, 2\) and \(2, 3\)"),
        ({"beams": np.array([[0, 1], [2, 3]], np.int32)}, "meta-labels 0 to 2, got 3"),
        ({"members": binary_rows([[0], [1], [2]], 7)}, "among 6 labels, got 7"),
        ({"neighbours": binary_rows([[0]] * 5, 5)}, r"graph of 6 × 6 labels, got \(5, 5\)"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(part, message):
    parts = {
        "split": Split(csr_array(np.ones((2, 1), np.float32)), binary_rows([[0], [1]], NUM_LABELS), NO_PAIRS),
        "beams": np.zeros((2, 2), np.int32),
        "log_prior": np.zeros((2, 2), np.float32),
        "members": binary_rows([[0], [1], [2]], NUM_LABELS),
    }
    ShortlistDataset(**parts)
    with pytest.raises(ValueError, match=message):
        ShortlistDataset(**{**parts, **part})
