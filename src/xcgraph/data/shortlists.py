"""Batches in which each point is scored against a shortlist: the labels of its best meta-labels."""

from typing import no_type_check

import numba
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array

from xcgraph.batch import Shortlist, XCBatch
from xcgraph.data.batching import AllLabelsDataset, Rows
from xcgraph.data.xc_data import Split


class ShortlistDataset(AllLabelsDataset):
    """Batches in which each point is scored against the labels of its best meta-labels (its beam).

    Args:
        split: points with their labels.
        beams: (points, beam) meta-labels, padded with -1.
        log_prior: (points, beam) log-probabilities of these meta-labels.
        members: (meta-labels, labels) membership.
        neighbours: (labels, labels) graph. The neighbours of the shortlisted labels join the shortlist with
            a log-prior of 0, as in the training of ECLARE (GAME iii). None adds no neighbours.

    Raises:
        ValueError: the shapes of the arguments do not fit together.
    """

    def __init__(
        self,
        split: Split,
        beams: NDArray[np.int32],
        log_prior: NDArray[np.float32],
        members: csr_array,
        neighbours: csr_array | None = None,
    ) -> None:
        super().__init__(split)
        _check_sizes(split.labels, beams, log_prior, members, neighbours)
        self._beams, self._log_prior = beams, log_prior
        self._members, self._neighbours = members, neighbours

    def __getitem__(self, rows: Rows) -> XCBatch:
        """Return one batch with these rows, in this order."""
        full = super().__getitem__(rows)
        labels, log_prior = _expand_beams(
            self._beams[rows], self._log_prior[rows], self._members.indptr, self._members.indices
        )
        if self._neighbours is not None:
            labels = _join_neighbours(
                labels, self._neighbours.indptr, self._neighbours.indices, self._neighbours.shape[0]
            )
            log_prior = np.pad(log_prior, ((0, 0), (0, labels.shape[1] - log_prior.shape[1])))
        label_ids, positions = _distinct(labels, self.num_labels)
        true_labels = self._labels[rows]
        positives = _positives(labels, true_labels.indptr, true_labels.indices)
        return XCBatch(
            tokens=full.tokens,
            labels=full.labels,
            filtered=full.filtered,
            positives=torch.from_numpy(positives),
            shortlist=Shortlist(
                label_ids=torch.from_numpy(label_ids),
                positions=torch.from_numpy(positions),
                log_prior=torch.from_numpy(log_prior),
            ),
        )


def _check_sizes(
    labels: csr_array,
    beams: NDArray[np.int32],
    log_prior: NDArray[np.float32],
    members: csr_array,
    neighbours: csr_array | None,
) -> None:
    """Check all shapes once, because the compiled loops below do not check array bounds."""
    points, num_labels = labels.shape
    if beams.shape != log_prior.shape or len(beams) != points:
        found = f"{beams.shape} and {log_prior.shape}"
        raise ValueError(f"Expected beams and their log-priors to have shape ({points}, beam), got {found}.")
    largest = beams.max(initial=-1)
    if largest >= members.shape[0]:
        raise ValueError(f"Expected beams of meta-labels 0 to {members.shape[0] - 1}, got {largest}.")
    if members.shape[1] != num_labels:
        raise ValueError(f"Expected members among {num_labels} labels, got {members.shape[1]}.")
    if neighbours is not None and neighbours.shape != (num_labels, num_labels):
        raise ValueError(f"Expected a graph of {num_labels} × {num_labels} labels, got {neighbours.shape}.")


@numba.njit(cache=True)
@no_type_check
def _expand_beams(
    beams: NDArray[np.int32],
    log_prior: NDArray[np.float32],
    member_indptr: NDArray[np.int64],
    member_labels: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the labels of each row's meta-labels, and for each label the log-prior of its meta-label."""
    width = 0
    for row in range(beams.shape[0]):
        count = 0
        for meta in beams[row]:
            if meta >= 0:
                count += member_indptr[meta + 1] - member_indptr[meta]
        width = max(width, count)
    labels = np.full((beams.shape[0], width), -1, np.int64)
    priors = np.zeros((beams.shape[0], width), np.float32)
    for row in range(beams.shape[0]):
        place = 0
        for rank in range(beams.shape[1]):
            meta = beams[row, rank]
            if meta < 0:
                continue
            for entry in range(member_indptr[meta], member_indptr[meta + 1]):
                labels[row, place] = member_labels[entry]
                priors[row, place] = log_prior[row, rank]
                place += 1
    return labels, priors


@numba.njit(cache=True)
@no_type_check
def _join_neighbours(
    labels: NDArray[np.int64], indptr: NDArray[np.int64], indices: NDArray[np.int64], num_labels: int
) -> NDArray[np.int64]:
    """Append to each row the graph neighbours of its labels that are not in the row, each once."""
    batch = len(labels)
    last_row = np.full(num_labels, -1, np.int64)
    counts = np.zeros(batch, np.int64)
    extra = np.empty((batch, 0), np.int64)
    for fill in range(2):  # count first, then fill an array of the right width
        if fill:
            extra = np.full((batch, counts.max() if batch else 0), -1, np.int64)
            last_row[:] = -1
        for row in range(batch):
            place = 0
            for label in labels[row]:
                if label >= 0:
                    last_row[label] = row
            for label in labels[row]:
                if label < 0:
                    continue
                for neighbour in indices[indptr[label] : indptr[label + 1]]:
                    if last_row[neighbour] == row:
                        continue
                    last_row[neighbour] = row
                    if fill:
                        extra[row, place] = neighbour
                    place += 1
            counts[row] = place
    return np.concatenate((labels, extra), axis=1)


@numba.njit(cache=True)
@no_type_check
def _distinct(labels: NDArray[np.int64], num_labels: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the distinct labels in ascending order, and the place of each entry among them (-1: padding)."""
    place = np.full(num_labels, -1, np.int64)
    for label in labels.flat:
        if label >= 0:
            place[label] = 0
    label_ids = np.flatnonzero(place == 0)
    place[label_ids] = np.arange(len(label_ids))
    positions = np.full(labels.shape, -1, np.int64)
    for row in range(labels.shape[0]):
        for column in range(labels.shape[1]):
            if labels[row, column] >= 0:
                positions[row, column] = place[labels[row, column]]
    return label_ids, positions


@numba.njit(cache=True)
@no_type_check
def _positives(
    labels: NDArray[np.int64], true_indptr: NDArray[np.int64], true_ids: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return (row, column) of the shortlist entries that are true labels; ``true_ids`` are sorted per row."""
    found = np.empty((labels.size, 2), np.int64)
    count = 0
    for row in range(labels.shape[0]):
        own = true_ids[true_indptr[row] : true_indptr[row + 1]]
        for column in range(labels.shape[1]):
            label = labels[row, column]
            place = np.searchsorted(own, label)
            if label >= 0 and place < len(own) and own[place] == label:
                found[count, 0], found[count, 1] = row, column
                count += 1
    return found[:count].copy()
