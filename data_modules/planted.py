"""Generates points and labels from planted topics, which determine label co-occurrence and texts."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, vstack

from xcgraph.errors import UserError
from xcgraph.sparse import normalize_rows

# Exponents of Zipf's law; the exponent of labels gives about the label frequencies of LF-AmazonTitles-131K.
LABEL_EXPONENT = 0.6
TOKEN_EXPONENT = 1.0
TOKENS_PER_TOPIC = 12
NEIGHBOUR_SHARE = 0.2  # share of a point's other labels that come from a topic next to its own
# Shares of the sources of a text's tokens; the remaining tokens are noise.
POINT_FROM_LABELS, POINT_FROM_TOPIC = 0.65, 0.2
LABEL_OWN, LABEL_FROM_TOPIC = 0.65, 0.25

_BLOCK_ROWS = 1 << 14
_ROUNDS = 12  # attempts to replace repeated columns in a row
_LABEL_TEXTS, _TRAIN, _TEST, _WORLD = range(4)  # each purpose has its own random stream

Propose = Callable[[NDArray[np.int64]], NDArray[np.int64]]


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """The size of a planted data set.

    Attributes:
        train_points: number of training points, at least ``labels``, because each label gets one.
        test_points: number of test points, at least 1.
        labels: number of labels.
        tokens: size of the vocabulary.
        topics: number of topics, which are groups of labels that occur together.
        labels_per_point: mean number of labels, at most half of the labels of a topic.
        tokens_per_point: mean number of distinct tokens of a point, at most a quarter of ``tokens``.
        tokens_per_label: mean number of distinct tokens of a label text, at most a quarter of ``tokens``.

    Raises:
        UserError: a number is out of range.
    """

    train_points: int
    test_points: int
    labels: int
    tokens: int
    topics: int
    labels_per_point: float
    tokens_per_point: float
    tokens_per_label: float

    def __post_init__(self) -> None:
        for field in fields(self):
            if not getattr(self, field.name) >= 1:
                raise UserError(
                    f"data.sizes.{field.name} must be ≥ 1, got {getattr(self, field.name)}; raise it."
                )
        for name, limit, reason in (
            ("labels", self.train_points, "train_points, because each label needs a training point"),
            ("topics", self.labels // 2, "half of labels"),
            ("labels_per_point", self.labels / self.topics / 2, "half of the labels of a topic"),
            ("tokens_per_point", self.tokens / 4, "a quarter of tokens"),
            ("tokens_per_label", self.tokens / 4, "a quarter of tokens"),
        ):
            if getattr(self, name) > limit:
                raise UserError(
                    f"data.sizes.{name}: expected at most {limit:g} ({reason}), got {getattr(self, name)}; "
                    "lower it."
                )


class PlantedTopics:
    """Random topics on a ring with labels and tokens, and random points generated from them.

    Label frequencies follow Zipf's law, plus one point per label. Labels are distributed over the topics by
    rank. A point has one label drawn by frequency. Its other labels are drawn by frequency from the topic of
    this label or from a neighbouring topic. A label text has its own tokens, tokens of its topic, and noise.
    A point text has tokens of its labels' texts, tokens of its topic, and noise. Therefore texts and
    co-occurrences both carry information about the labels of a point, and neither is sufficient alone. Rare
    tokens have larger weights; rows have unit L2 norm.

    The memory is proportional to labels × tokens per label and does not depend on the number of points.

    Args:
        sizes: size of the data set.
        seed: random seed. Equal seeds give equal numbers with any number of threads.

    Attributes:
        sizes: size of the data set.
        topic_of: (labels,) topic of each label.
    """

    def __init__(self, sizes: Sizes, seed: int) -> None:
        self.sizes = sizes
        self._seed = seed
        rng = self._generator(_WORLD, 0)
        rank = rng.permutation(sizes.labels)
        self.topic_of = rank % sizes.topics
        self._by_topic = np.lexsort((rank, self.topic_of))
        self._topic_starts = _starts(np.bincount(self.topic_of, minlength=sizes.topics))
        self._label_starts = _starts((1.0 + rank[self._by_topic]) ** -LABEL_EXPONENT)
        self._token_by_rank = rng.permutation(sizes.tokens)
        self._token_starts = _starts((1.0 + np.arange(sizes.tokens)) ** -TOKEN_EXPONENT)
        self._token_weights = np.empty(sizes.tokens, np.float32)
        self._token_weights[self._token_by_rank] = np.log(2.0 + np.arange(sizes.tokens))
        self._topic_tokens = rng.integers(sizes.tokens, size=(sizes.topics, TOKENS_PER_TOPIC))
        # Training point i has position (i · stride + shift) in a permutation that takes no memory.
        self._stride, self._shift = _coprime(sizes.train_points, rng), int(rng.integers(sizes.train_points))
        self._texts = vstack([self._label_text(block) for block in _blocks(sizes.labels)], format="csr")

    def label_texts(self) -> Iterator[csr_array]:
        """Yield the (labels, tokens) label texts, block by block."""
        for block in _blocks(self.sizes.labels):
            yield self._add_weights(self._texts[block.start : block.stop])

    def train_points(self) -> Iterator[tuple[csr_array, csr_array]]:
        """Yield (points, tokens) texts and (points, labels) of the training points, block by block."""
        for block in _blocks(self.sizes.train_points):
            rng = self._generator(_TRAIN, block.start)
            first = self._by_topic[_draw_places(rng, self._label_starts, len(block))]
            place = (
                np.arange(block.start, block.stop) * self._stride + self._shift
            ) % self.sizes.train_points
            yield self._points(rng, np.where(place < self.sizes.labels, place, first))

    def test_points(self) -> Iterator[tuple[csr_array, csr_array]]:
        """Yield (points, tokens) texts and (points, labels) of the test points, block by block."""
        for block in _blocks(self.sizes.test_points):
            rng = self._generator(_TEST, block.start)
            yield self._points(rng, self._by_topic[_draw_places(rng, self._label_starts, len(block))])

    def _generator(self, *purpose: int) -> np.random.Generator:
        return np.random.default_rng([self._seed, *purpose])

    def _points(self, rng: np.random.Generator, first: NDArray[np.int64]) -> tuple[csr_array, csr_array]:
        """Return random points with these first labels."""
        sizes, topics = self.sizes, self.topic_of[first]

        def other_labels(rows: NDArray[np.int64]) -> NDArray[np.int64]:
            side = rng.random(len(rows))
            step = (side < NEIGHBOUR_SHARE / 2).astype(np.int64) - (side > 1 - NEIGHBOUR_SHARE / 2)
            of_topic = (topics[rows] + step) % sizes.topics
            ranges = self._topic_starts[of_topic], self._topic_starts[of_topic + 1]
            return self._by_topic[_draw_places(rng, self._label_starts, len(rows), ranges)]

        counts = 1 + rng.poisson(sizes.labels_per_point - 1, len(first))
        labels = _draw_distinct(counts, other_labels, sizes.labels, first)

        def tokens(rows: NDArray[np.int64]) -> NDArray[np.int64]:
            drawn = labels.indices[_draw_entries(rng, labels.indptr, rows)]
            from_labels = self._texts.indices[_draw_entries(rng, self._texts.indptr, drawn)]
            shares = (POINT_FROM_LABELS, POINT_FROM_TOPIC)
            return self._mix(rng, from_labels, topics[rows], shares)

        counts = 1 + rng.poisson(sizes.tokens_per_point - 1, len(first))
        return self._add_weights(_draw_distinct(counts, tokens, sizes.tokens)), labels

    def _label_text(self, block: range) -> csr_array:
        rng, topics = self._generator(_LABEL_TEXTS, block.start), self.topic_of[block.start : block.stop]

        def tokens(rows: NDArray[np.int64]) -> NDArray[np.int64]:
            own = rng.integers(self.sizes.tokens, size=len(rows))
            return self._mix(rng, own, topics[rows], (LABEL_OWN, LABEL_FROM_TOPIC))

        counts = 1 + rng.poisson(self.sizes.tokens_per_label - 1, len(block))
        return _draw_distinct(counts, tokens, self.sizes.tokens)

    def _mix(
        self,
        rng: np.random.Generator,
        own: NDArray[np.int64],
        topics: NDArray[np.int64],
        shares: tuple[float, float],
    ) -> NDArray[np.int64]:
        """Return a random choice between a text's own tokens, tokens of its topic, and noise."""
        of_topic = self._topic_tokens[topics, rng.integers(TOKENS_PER_TOPIC, size=len(topics))]
        noise = self._token_by_rank[_draw_places(rng, self._token_starts, len(topics))]
        source = rng.random(len(topics))
        return np.where(source < shares[0], own, np.where(source < sum(shares), of_topic, noise))

    def _add_weights(self, texts: csr_array) -> csr_array:
        """Return the texts with token weights, at unit L2 norm."""
        weights = self._token_weights[texts.indices]
        weighted = normalize_rows(csr_array((weights, texts.indices, texts.indptr), shape=texts.shape))
        weighted.sort_indices()
        return weighted


def _draw_distinct(
    counts: NDArray[np.int64], propose: Propose, num_columns: int, first: NDArray[np.int64] | None = None
) -> csr_array:
    """Return ``counts`` distinct random columns for each row, including ``first``; few rows can have less.

    Returns:
        (rows, columns) float32 ones in canonical form.
    """
    keys = np.empty(0, np.int64)
    if first is not None:
        keys = np.arange(len(counts)) * num_columns + first
    for _ in range(_ROUNDS):
        missing = counts - np.bincount(keys // num_columns, minlength=len(counts))
        if not missing.any():
            break
        rows = np.repeat(np.arange(len(counts)), missing)
        drawn = np.unique(rows * num_columns + propose(rows))
        keys = np.sort(np.concatenate([keys, drawn]), kind="stable")  # a stable sort merges two sorted parts
        keys = keys[np.diff(keys, prepend=-1) > 0]
    rows, columns = np.divmod(keys, num_columns)
    starts = _starts(np.bincount(rows, minlength=len(counts)))
    shape = (len(counts), num_columns)
    return csr_array((np.ones(len(keys), np.float32), columns, starts), shape=shape)


def _draw_entries(
    rng: np.random.Generator, indptr: NDArray[np.integer], rows: NDArray[np.integer]
) -> NDArray[np.int64]:
    """Return a uniformly random entry of each row."""
    start = indptr[rows]
    entries: NDArray[np.int64] = start + (rng.random(len(rows)) * (indptr[rows + 1] - start)).astype(np.int64)
    return entries


def _draw_places(
    rng: np.random.Generator,
    weight_starts: NDArray[np.float64],
    count: int,
    ranges: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None,
) -> NDArray[np.int64]:
    """Return random positions by weight, each from its own range, or all from the whole range."""
    first, end = ranges or (np.array(0), np.array(len(weight_starts) - 1))
    low, high = weight_starts[first], weight_starts[end]
    drawn = low + rng.random(count) * (high - low)
    # Clip, because the sum above can be rounded up to the end of the range.
    return np.clip(np.searchsorted(weight_starts, drawn, side="right") - 1, first, end - 1)


def _starts(sizes: NDArray) -> NDArray:
    """Return the start of each part from the sizes of the parts, and the end of the last part."""
    return np.concatenate([[0], np.cumsum(sizes)])


def _blocks(count: int) -> Iterator[range]:
    for start in range(0, count, _BLOCK_ROWS):
        yield range(start, min(start + _BLOCK_ROWS, count))


def _coprime(modulus: int, rng: np.random.Generator) -> int:
    """Return a random number whose only common divisor with the modulus is 1."""
    while True:
        number = int(rng.integers(1, modulus + 1))
        if np.gcd(number, modulus) == 1:
            return number
