"""Label correlation graph of ECLARE: random walks with restart over label → point → label."""

from dataclasses import dataclass
from typing import NamedTuple, no_type_check

import numba
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from xcgraph.errors import UserError
from xcgraph.graph.pruned import PrunedGraph, Texts, cosine
from xcgraph.sparse import symmetric_normalize

# splitmix64 (Steele, Lea and Flood, OOPSLA'14): random number n of a stream is a hash of start + n · GOLDEN.
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_DRAWS_PER_STEP = 3  # restart, point, label


@dataclass(frozen=True)
class RandomWalkGraph(PrunedGraph):
    """Labels are neighbours if a random walk from one often visits the other (ECLARE section 3, "LCG").

    Each label starts one walk. A step goes from a label to one of its points and then to one of the labels
    of this point. Both are drawn uniformly, and the last label counts as visited. The first step starts from
    the walk's own label, and so does every other step with probability ``restart_prob``; the remaining steps
    start from the last visited label. A restart itself is not a visit. All of this follows the published
    code (pyxclib ``xclib/utils/graph.py``, ``_random_walk``).

    Prefer it to co-occurrence counts if tail labels share points with few other labels, because a walk
    reaches beyond these, 1 / ``restart_prob`` hops on average. The other attributes are the attributes of
    :class:`~xcgraph.graph.pruned.PrunedGraph`.

    Attributes:
        walk_length: number of steps of each walk, at least 1.
        restart_prob: probability that a step starts from the walk's own label.

    Raises:
        UserError: a value is out of range.
    """

    walk_length: int = 400
    restart_prob: float = 0.8

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.walk_length < 1:
            raise UserError(f"graph.walk_length must be at least 1, found {self.walk_length}; raise it.")
        if not 0 <= self.restart_prob <= 1:
            raise UserError(f"graph.restart_prob must lie in [0, 1], found {self.restart_prob}; correct it.")

    def build(self, labels: csr_array, label_vectors: NDArray[np.float32] | None, seed: int) -> csr_array:
        """Build the normalised label correlation graph Ĝ = D_r^-1/2 · G · D_c^-1/2.

        G counts visits. Its diagonal is at least 1, so that each label is connected to itself. Besides
        ``labels``, the memory is O(labels × num_neighbors + threads × walk_length).

        Args:
            labels: (points, labels) of the training points; every stored entry is a positive.
            label_vectors: (labels, dim) vectors of the labels' texts, normalised or not. A zero vector has
                similarity 0 to all vectors. None keeps every edge.
            seed: random seed. Equal seeds give equal bits with any number of threads.

        Returns:
            (labels, labels) float32 with sorted indices; rows do not sum to 1.

        Raises:
            ValueError: ``label_vectors`` is not one vector per label.
        """
        num_labels = labels.shape[1]
        texts = self.texts(label_vectors, num_labels)
        by_point = self.without_head_labels(labels)
        # float() avoids another compilation by numba if the configuration has an integer.
        step = (self.walk_length, float(self.restart_prob))
        walks = _Walks(*_links(by_point.T.tocsr()), *_links(by_point), *step)
        neighbors = np.full((num_labels, self.num_neighbors + 1), -1, np.int32)
        visits = np.zeros(neighbors.shape, np.float32)
        _walk_from_all(walks, texts, np.uint64(seed % 2**64), neighbors, visits)
        return symmetric_normalize(_to_graph(neighbors, visits))


class _Walks(NamedTuple):
    """Input of all walks: the points of each label and the labels of each point as CSR, and the settings."""

    label_starts: NDArray[np.int64]
    points: NDArray[np.int32]
    point_starts: NDArray[np.int64]
    labels: NDArray[np.int32]
    length: int
    restart_prob: float


def _links(matrix: csr_array) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Return both index arrays with fixed types; scipy chooses types by size, and numba compiles for each."""
    return matrix.indptr.astype(np.int64, copy=False), matrix.indices.astype(np.int32, copy=False)


def _to_graph(neighbors: NDArray[np.int32], visits: NDArray[np.float32]) -> csr_array:
    """Convert (labels, k) neighbours, padded with -1, to a (labels, labels) matrix."""
    kept = neighbors >= 0
    indptr = np.concatenate([[0], np.cumsum(kept.sum(axis=1))])
    return csr_array((visits[kept], neighbors[kept], indptr), shape=(len(neighbors), len(neighbors)))


# no_type_check on all functions below keeps jaxtyping's import hook away, which numba cannot compile.


@numba.njit(parallel=True, cache=True)
@no_type_check
def _walk_from_all(
    walks: _Walks, texts: Texts, seed: np.uint64, neighbors: NDArray[np.int32], visits: NDArray[np.float32]
) -> None:
    """Fill (labels, 1 + num_neighbors) arrays; each label has its own random stream, in a single thread."""
    for row in numba.prange(len(neighbors)):
        label = np.int64(row)  # prange counts in uint64, and numba turns uint64 with int64 into float64
        neighbors[label, 0], visits[label, 0] = label, 1
        if walks.label_starts[label] < walks.label_starts[label + 1]:
            stream = _draw(_draw(seed, 0), label)
            ranking = _rank(_walk(label, walks, stream))
            _keep_most_visited(label, ranking, texts, neighbors[label], visits[label])


@numba.njit(cache=True)
@no_type_check
def _walk(label: int, walks: _Walks, stream: np.uint64) -> NDArray[np.int32]:
    """Return the visited labels, with repetitions; every visited label has points, and vice versa."""
    visited = np.empty(walks.length, np.int32)
    current = label
    for step in range(walks.length):
        draw = _DRAWS_PER_STEP * step
        # 53 random bits times 2^-53 are a number in [0, 1).
        if np.float64(_draw(stream, draw) >> np.uint64(11)) * 2.0**-53 < walks.restart_prob:
            current = label
        point = _pick(walks.label_starts, walks.points, current, _draw(stream, draw + 1))
        current = _pick(walks.point_starts, walks.labels, point, _draw(stream, draw + 2))
        visited[step] = current
    return visited


@numba.njit(cache=True)
@no_type_check
def _draw(stream: np.uint64, number: int) -> np.uint64:
    """Return 64 random bits, the random number ``number`` of a stream."""
    bits = stream + np.uint64(number + 1) * _GOLDEN
    bits = (bits ^ (bits >> np.uint64(30))) * _MIX_1
    bits = (bits ^ (bits >> np.uint64(27))) * _MIX_2
    return bits ^ (bits >> np.uint64(31))


@numba.njit(cache=True)
@no_type_check
def _pick(indptr: NDArray[np.int64], indices: NDArray[np.int32], row: int, bits: np.uint64) -> int:
    """Return a random entry of a row: 32 random bits times the length, with a bias below length / 2^32."""
    start = indptr[row]
    length = np.uint64(indptr[row + 1] - start)
    return indices[start + np.int64(((bits >> np.uint64(32)) * length) >> np.uint64(32))]


@numba.njit(cache=True)
@no_type_check
def _rank(visited: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the counts and labels of all distinct visited labels, most visited first, then by label id."""
    visited.sort()
    keys = np.empty(len(visited), np.int64)
    distinct = first = 0
    for end in range(1, len(visited) + 1):
        if end == len(visited) or visited[end] != visited[first]:
            # A single integer with the order of the pair (−visits, label).
            keys[distinct] = (len(visited) - (end - first)) << 32 | visited[first]
            distinct, first = distinct + 1, end
    keys = np.sort(keys[:distinct])
    return len(visited) - (keys >> 32), keys & 0xFFFFFFFF


@numba.njit(cache=True)
@no_type_check
def _keep_most_visited(
    label: int,
    ranking: tuple[NDArray[np.int64], NDArray[np.int64]],
    texts: Texts,
    neighbors: NDArray[np.int32],
    visits: NDArray[np.float32],
) -> None:
    """Fill one row of neighbours; column 0 is the label itself."""
    counts, others = ranking
    kept = 1
    for place in range(len(counts)):
        other = others[place]
        if other == label:
            visits[0] = counts[place]
        elif kept < len(neighbors) and cosine(texts, label, other) >= texts.min_similarity:
            neighbors[kept], visits[kept] = other, counts[place]
            kept += 1
