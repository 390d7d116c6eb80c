"""Tests that equal data have equal fingerprints, and that every difference changes the fingerprint."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse import csr_array

from xcgraph.data.xc_data import NO_PAIRS, XCData

from .test_xc_data import make_data, make_metadata, make_split


def change_first(matrix, part):
    """Return a copy of a matrix with another first value, or with its first entry in another column."""
    matrix = matrix.copy()
    if part == "value":
        matrix.data[0] += 1
    else:
        free = np.setdiff1d(np.arange(matrix.shape[1]), matrix.indices[: matrix.indptr[1]])
        matrix.indices[0] = free[0]
    return matrix


def widen(matrix):
    matrix = matrix.copy()
    matrix.indices, matrix.indptr = matrix.indices.astype(np.int64), matrix.indptr.astype(np.int64)
    return matrix


def test_fingerprint_ignores_the_index_type():
    split = make_split()
    wide = replace(split, features=widen(split.features), labels=widen(split.labels))
    expected = make_data().fingerprint
    assert wide.features.indices.dtype != split.features.indices.dtype
    assert make_data().fingerprint == expected
    assert make_data(train=wide).fingerprint == expected
    assert make_data(label_features=widen(make_data().label_features)).fingerprint == expected


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize("field", ["features", "labels"])
@pytest.mark.parametrize("part", ["value", "place"])
def test_fingerprint_depends_on_every_matrix_of_a_split(split, field, part):
    before = getattr(make_data(), split)
    after = replace(before, **{field: change_first(getattr(before, field), part)})
    assert make_data(**{split: after}).fingerprint != make_data().fingerprint


@pytest.mark.parametrize("part", ["value", "place"])
def test_fingerprint_depends_on_label_features(part):
    changed = make_data(label_features=change_first(make_data().label_features, part))
    assert changed.fingerprint != make_data().fingerprint


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize("pairs", [(), ((0, 0),), ((0, 1), (1, 4), (1, 0))])
def test_fingerprint_depends_on_filter_pairs(split, pairs):
    after = replace(getattr(make_data(), split), filter_pairs=np.array(pairs, np.int64).reshape(-1, 2))
    assert make_data(**{split: after}).fingerprint != make_data().fingerprint


def test_fingerprint_changes_if_an_entry_moves_to_the_next_row():
    labels = make_data().train.labels
    indptr = labels.indptr.copy()
    indptr[1] -= 1
    moved = csr_array((labels.data, labels.indices, indptr), shape=labels.shape)
    train = replace(make_data().train, labels=moved)
    assert make_data(train=train).fingerprint != make_data().fingerprint


@pytest.mark.parametrize(
    "change",
    [
        {"name": "other"},
        {"propensity_a": 0.5},
        {"propensity_b": 0.4},
        {"train": make_split(seed=7)},
    ],
    ids=["name", "propensity_a", "propensity_b", "train"],
)
def test_fingerprint_depends_on_name_propensities_and_split(change):
    assert make_data(**change).fingerprint != make_data().fingerprint


def test_fingerprint_changes_if_splits_are_swapped():
    split, other = make_split(), make_split(seed=1)
    one, two = make_data(train=split, test=other), make_data(train=other, test=split)
    assert one.fingerprint != two.fingerprint


@pytest.mark.parametrize(
    "change",
    [{"label_names": ("z", "b", "c", "d", "e")}, {"vocabulary": ("z", "u", "v", "w")}],
    ids=["label_names", "vocabulary"],
)
def test_fingerprint_depends_on_label_names_and_vocabulary(change):
    assert make_data(**change).fingerprint != make_data().fingerprint


def test_fingerprint_depends_on_the_number_of_tokens():
    def with_tokens(tokens):
        features = csr_array(np.eye(3, 4, dtype=np.float32))
        features.resize(3, tokens)
        split = replace(make_split(pairs=()), features=features)
        label_features = csr_array(np.eye(5, 4, dtype=np.float32))
        label_features.resize(5, tokens)
        return XCData(name="tiny", train=split, test=split, label_features=label_features)

    assert with_tokens(4).fingerprint != with_tokens(5).fingerprint


def test_fingerprint_ignores_the_order_of_entries():
    features = csr_array(
        (np.array([2, 1], np.float32), np.array([3, 0]), np.array([0, 2, 2, 2, 2, 2])), shape=(5, 4)
    )
    ordered = features.copy()
    ordered.sort_indices()
    assert make_data(label_features=features).fingerprint == make_data(label_features=ordered).fingerprint


def test_fingerprint_ignores_the_order_of_pairs():
    train = make_split(pairs=((2, 0), (0, 1), (2, 4)))
    assert make_data(train=train).fingerprint == make_data().fingerprint


def test_fingerprint_depends_on_the_boundaries_of_names():
    one, two = (make_data(label_names=names) for names in (("ab", "c", "", "", ""), ("a", "bc", "", "", "")))
    assert one.fingerprint != two.fingerprint


def test_empty_metadata_does_not_change_the_fingerprint():
    assert make_data(metadata={}).fingerprint == make_data().fingerprint == "48b1038d5355d709"


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"category": make_metadata()},
        {"links": make_metadata(test=None)},
        {"links": make_metadata(labels=None)},
        {"links": make_metadata(), "more": make_metadata()},
        {"links": make_metadata(train=change_first(make_metadata().train, "value"))},
        {"links": make_metadata(labels=change_first(make_metadata().labels, "place"))},
    ],
)
def test_fingerprint_depends_on_metadata(metadata):
    assert (
        make_data(metadata=metadata).fingerprint != make_data(metadata={"links": make_metadata()}).fingerprint
    )


def test_fingerprint_ignores_the_order_of_metadata():
    graphs = {"a": make_metadata(), "b": make_metadata(test=None)}
    assert (
        make_data(metadata=graphs).fingerprint
        == make_data(metadata=dict(reversed(graphs.items()))).fingerprint
    )


def test_fingerprint_ignores_the_block_size(monkeypatch):
    expected = make_data(metadata={"links": make_metadata()}).fingerprint
    monkeypatch.setattr("xcgraph.data.xc_data._HASHED_ROWS", 2)
    assert make_data(metadata={"links": make_metadata()}).fingerprint == expected


def test_labels_fingerprint_ignores_features():
    data = make_data()
    other = make_data(label_features=data.label_features * 2)
    assert data.labels_fingerprint == other.labels_fingerprint
    assert data.fingerprint != other.fingerprint


@pytest.mark.parametrize("split", ["train", "test"])
def test_labels_fingerprint_depends_on_labels_and_pairs(split):
    data = make_data()
    part = getattr(data, split)
    labels = part.labels.copy()
    labels.data[0] += 1
    for changed in (replace(part, labels=labels), replace(part, filter_pairs=NO_PAIRS)):
        assert replace(data, **{split: changed}).labels_fingerprint != data.labels_fingerprint
