"""Compiled loops over the entries of a point: bags of tokens, shortlists, GAME, the mean of trees.

Rows of labels are ordered best first and padded with -1; ties go to the smaller label. The loops do not check
array bounds, because models and bags are checked before.
"""

import math
from typing import no_type_check

import numba
import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int32]
Offsets = NDArray[np.int64]
Floats = NDArray[np.float32]

# These flags let the compiler reorder sums and use wide registers.
REORDERED = {"reassoc", "contract", "nsz"}


@numba.njit(nogil=True, cache=True, fastmath=REORDERED)
@no_type_check
def dot(left: Floats, right: Floats) -> float:
    """Return ⟨left, right⟩."""
    total = np.float32(0)
    for place in range(len(left)):
        total += left[place] * right[place]
    return total


@numba.njit(nogil=True, cache=True)
@no_type_check
def insert(labels: Ints, values: Floats, filled: int, label: int, value: float) -> int:
    """Insert an entry into a sorted list that keeps the best entries, and return their new number."""
    if filled == len(values):
        last = values[filled - 1]
        if value < last or (value == last and label > labels[filled - 1]):
            return filled
        place = filled - 1
    else:
        place = filled
        filled += 1
    while place > 0 and (
        value > values[place - 1] or (value == values[place - 1] and label < labels[place - 1])
    ):
        values[place] = values[place - 1]
        labels[place] = labels[place - 1]
        place -= 1
    values[place] = value
    labels[place] = label
    return filled


@numba.njit(nogil=True, cache=True)
@no_type_check
def kth_largest(values: Floats, k: int) -> float:
    """Return the k-th largest of at least k values."""
    place = len(values) - k
    return np.partition(values, place)[place]


@numba.njit(nogil=True, cache=True)
@no_type_check
def embed_bags(indptr: Offsets, tokens: Ints, weights: Floats, embedding: Floats) -> Floats:
    """Return (texts, dim) sums of token embeddings by their weights."""
    vectors = np.zeros((len(indptr) - 1, embedding.shape[1]), np.float32)
    for row in range(len(vectors)):
        vector = vectors[row]
        for entry in range(indptr[row], indptr[row + 1]):
            weight = weights[entry]
            source = embedding[tokens[entry]]
            for place in range(len(vector)):
                vector[place] += weight * source[place]
    return vectors


@numba.njit(nogil=True, cache=True)
@no_type_check
def rank_shortlists(
    beams: tuple[Ints, Floats],
    starts: Offsets,
    labels: Ints,
    vectors: Floats,
    bias: float,
    points: Floats,
    top_k: int,
) -> tuple[Ints, Floats]:
    """Return the best labels of each point's beam, by p(meta-label) · σ(⟨w_l, x̂⟩ + b).

    Args:
        beams: (points, beam) meta-labels and the logarithms of their scores.
        starts: (meta + 1,) first position of each meta-label's members in ``labels`` and ``vectors``.
        labels: (labels,) in the order of their meta-labels.
        vectors: (labels, dim) in the same order, so that vectors read together lie together.
        bias: b.
        points: (points, dim) x̂.
        top_k: labels kept per point.
    """
    metas, log_priors = beams
    best = np.full((len(points), top_k), -1, np.int32)
    scores = np.zeros((len(points), top_k), np.float32)
    for row in range(len(points)):
        filled = 0
        for rank in range(metas.shape[1]):
            meta = metas[row, rank]
            if meta < 0:
                break
            for entry in range(starts[meta], starts[meta + 1]):
                logit = dot(vectors[entry], points[row]) + bias
                # log σ(s) = min(s, 0) − log(1 + e^−|s|), which never overflows.
                log_score = min(logit, np.float32(0)) - np.float32(math.log1p(math.exp(-abs(logit))))
                filled = insert(
                    best[row],
                    scores[row],
                    filled,
                    labels[entry],
                    np.float32(log_score + log_priors[row, rank]),
                )
        for place in range(filled):
            scores[row, place] = math.exp(scores[row, place])
    return best, scores


@numba.njit(nogil=True, cache=True)
@no_type_check
def expand(
    labels: Ints, scores: Floats, graph: tuple[Offsets, Ints, Floats], mix: float, top_k: int, kept: int
) -> tuple[Ints, Floats]:
    """Expand scores with GAME, (1 − mix) · p + mix · top_k(p · Ĝ), and keep the best ``kept`` scores."""
    indptr, neighbours, weights = graph
    rest, mix = np.float32(1 - mix), np.float32(mix)
    best = np.full((len(labels), kept), -1, np.int32)
    values = np.zeros((len(labels), kept), np.float32)
    spread_labels, spread = np.empty(top_k, np.int32), np.empty(top_k, np.float32)
    table = _table(_most_neighbours(labels, indptr) + labels.shape[1])
    for row in range(len(labels)):
        used = 0
        for rank in range(labels.shape[1]):
            label = labels[row, rank]
            if label < 0:
                break
            for entry in range(indptr[label], indptr[label + 1]):
                used = _add(table, used, neighbours[entry], scores[row, rank] * weights[entry])
        count = _take_best(table, used, spread_labels, spread)
        used = 0
        for place in range(count):
            used = _add(table, used, spread_labels[place], mix * spread[place])
        for rank in range(labels.shape[1]):
            if labels[row, rank] >= 0:
                used = _add(table, used, labels[row, rank], rest * scores[row, rank])
        _take_best(table, used, best[row], values[row])
    return best, values


@numba.njit(nogil=True, cache=True)
@no_type_check
def average(labels: Ints, scores: Floats, top_k: int) -> tuple[Ints, Floats]:
    """Return the mean of (trees, points, k) scores; a label that a tree did not score counts as 0."""
    trees, points, width = labels.shape
    best = np.full((points, top_k), -1, np.int32)
    values = np.zeros((points, top_k), np.float32)
    table = _table(trees * width)
    for row in range(points):
        used = 0
        for tree in range(trees):
            for rank in range(width):
                if labels[tree, row, rank] >= 0:
                    used = _add(table, used, labels[tree, row, rank], scores[tree, row, rank])
        count = _take_best(table, used, best[row], values[row])
        for place in range(count):
            values[row, place] /= trees
    return best, values


@numba.njit(nogil=True, cache=True)
@no_type_check
def _most_neighbours(labels: Ints, indptr: Offsets) -> int:
    most = 0
    for row in range(len(labels)):
        count = 0
        for label in labels[row]:
            if label >= 0:
                count += indptr[label + 1] - indptr[label]
        most = max(most, count)
    return most


@numba.njit(nogil=True, cache=True)
@no_type_check
def _table(max_labels: int) -> tuple[Ints, Floats, Ints]:
    """Return a hash table of labels and sums, at most half full: keys, sums, and the used places."""
    size = 16
    while size < 2 * max_labels:
        size *= 2
    return np.full(size, -1, np.int32), np.empty(size, np.float32), np.empty(size, np.int32)


@numba.njit(nogil=True, cache=True)
@no_type_check
def _add(table: tuple[Ints, Floats, Ints], used: int, label: int, value: float) -> int:
    """Add a value to a label's sum, and return the number of labels in the table."""
    keys, sums, places = table
    place = (np.uint32(label) * np.uint32(2654435761) >> np.uint32(7)) & np.uint32(len(keys) - 1)
    while keys[place] != label and keys[place] >= 0:
        place = (place + np.uint32(1)) & np.uint32(len(keys) - 1)
    if keys[place] < 0:
        keys[place] = label
        sums[place] = value
        places[used] = place
        return used + 1
    sums[place] += value
    return used


@numba.njit(nogil=True, cache=True)
@no_type_check
def _take_best(table: tuple[Ints, Floats, Ints], used: int, labels: Ints, values: Floats) -> int:
    """Move the best sums into a sorted list, clear the table, and return the length of the list."""
    keys, sums, places = table
    found = np.empty(used, np.float32)
    for number in range(used):
        found[number] = sums[places[number]]
    # Skip sums that are too small: sorting them would be most of the work.
    least = kth_largest(found, len(values)) if used > len(values) else np.float32(-np.inf)
    filled = 0
    for number in range(used):
        place = places[number]
        if found[number] >= least:
            filled = insert(labels, values, filled, keys[place], found[number])
        keys[place] = -1
    return filled
