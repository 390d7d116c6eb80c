"""Compare two loaders: whole batches sliced from sparse rows, and single points joined by a collate function.

    python -m benchmarks.loader [--repetitions 5] [--batches 50] [--batch-size 256]

The synthetic data has the labels, tokens and labels per point of LF-AmazonTitles-131K. The benchmark loads
two kinds of batches: points with meta-labels (surrogate, shortlister), and points with a shortlist of 50
meta-labels of 4 labels each (ranker). The single points come in two variants: rows sliced by scipy, as in
published code, and rows sliced by hand from numpy arrays. The benchmark first checks that all loaders return
equal batches.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array, vstack
from torch.utils.data import DataLoader, Dataset

from data_modules.planted import PlantedTopics, Sizes
from xcgraph.batch import LabelSets, Shortlist, TokenBag, XCBatch
from xcgraph.clustering.meta_labels import MetaLabels
from xcgraph.data.batching import AllLabelsDataset
from xcgraph.data.loader import batch_loader
from xcgraph.data.shortlists import ShortlistDataset
from xcgraph.data.xc_data import NO_PAIRS, Split

SIZES = Sizes(
    train_points=147_456,  # half of LF-AmazonTitles-131K; the loaders read only a few thousand points
    test_points=1,
    labels=131_073,
    tokens=40_000,
    topics=1024,
    labels_per_point=2.29,
    tokens_per_point=7.46,
    tokens_per_label=7.15,
)
META_LABELS, BEAM = 1 << 15, 50

Item = dict[str, NDArray]
RowOf = Callable[[csr_array, int], tuple[NDArray, NDArray]]
Shortlists = tuple[NDArray, NDArray, csr_array]


class SinglePoints(Dataset[Item]):
    """The usual form of a Dataset: one point per item."""

    def __init__(self, split: Split, row_of: RowOf, shortlists: Shortlists | None) -> None:
        self._split, self._row_of, self._shortlists = split, row_of, shortlists

    def __len__(self) -> int:
        return len(self._split)

    def __getitem__(self, point: int) -> Item:
        tokens, weights = self._row_of(self._split.features, point)
        item = {"tokens": tokens, "weights": weights, "labels": self._row_of(self._split.labels, point)[0]}
        if self._shortlists is not None:
            beams, log_prior, members = self._shortlists
            rows = [numpy_row(members, meta)[0] for meta in beams[point]]
            item["shortlist"] = np.concatenate(rows)
            item["log_prior"] = np.repeat(log_prior[point], [len(row) for row in rows])
        return item


def scipy_row(matrix: csr_array, row: int) -> tuple[NDArray, NDArray]:
    """Return columns and values of a row, sliced by scipy."""
    found = matrix[[row]]
    return found.indices, found.data


def numpy_row(matrix: csr_array, row: int) -> tuple[NDArray, NDArray]:
    """Return columns and values of a row, sliced from the numpy arrays."""
    entries = slice(matrix.indptr[row], matrix.indptr[row + 1])
    return matrix.indices[entries], matrix.data[entries]


def collate(items: Sequence[Item]) -> XCBatch:
    """Join points into a batch."""
    labels_of_points = LabelSets(_cat(items, "labels").long(), _offsets(items, "labels"))
    nothing = LabelSets(torch.empty(0, dtype=torch.int64), torch.zeros(len(items) + 1, dtype=torch.int64))
    tokens = TokenBag(_cat(items, "tokens").long(), _cat(items, "weights"), _offsets(items, "tokens"))
    if "shortlist" not in items[0]:
        rows = np.repeat(np.arange(len(items)), [len(item["labels"]) for item in items])
        positives = torch.from_numpy(np.stack([rows, labels_of_points.ids.numpy()], axis=1))
        return XCBatch(tokens, labels_of_points, nothing, positives)
    width = max(len(item["shortlist"]) for item in items)
    labels = np.full((len(items), width), -1, np.int64)
    log_prior = np.zeros((len(items), width), np.float32)
    pairs = []
    for row, item in enumerate(items):
        labels[row, : len(item["shortlist"])] = item["shortlist"]
        log_prior[row, : len(item["shortlist"])] = item["log_prior"]
        found = np.flatnonzero(np.isin(item["shortlist"], item["labels"]))
        pairs.append(np.stack([np.full(len(found), row), found], axis=1))
    distinct, positions = np.unique(labels, return_inverse=True)
    padding = int(distinct[0] == -1)  # -1 sorts first
    shortlist = Shortlist(
        torch.from_numpy(distinct[padding:]),
        torch.from_numpy(positions.reshape(labels.shape) - padding),
        torch.from_numpy(log_prior),
    )
    return XCBatch(tokens, labels_of_points, nothing, torch.from_numpy(np.concatenate(pairs)), shortlist)


def _cat(items: Sequence[Item], name: str) -> torch.Tensor:
    return torch.from_numpy(np.concatenate([item[name] for item in items]))


def _offsets(items: Sequence[Item], name: str) -> torch.Tensor:
    return torch.from_numpy(np.cumsum([0] + [len(item[name]) for item in items]))


def make_points() -> tuple[Split, MetaLabels, NDArray, NDArray]:
    """Return random points, clusters of labels, and beams with their log-priors."""
    blocks = PlantedTopics(SIZES, 0).train_points()
    features, labels = (vstack(parts, format="csr") for parts in zip(*blocks, strict=True))
    rng = np.random.default_rng(0)
    metas = MetaLabels((rng.permutation(SIZES.labels) % META_LABELS).astype(np.int32), META_LABELS)
    beams = rng.integers(META_LABELS, size=(SIZES.train_points, 2 * BEAM), dtype=np.int32)
    for row in beams:  # the meta-labels of a beam are distinct
        row[:BEAM] = rng.permutation(np.unique(row))[:BEAM]
    log_prior = -rng.random((SIZES.train_points, BEAM), dtype=np.float32)
    return Split(features, labels, NO_PAIRS), metas, beams[:, :BEAM], log_prior


def assert_equal(first: XCBatch, second: XCBatch) -> None:
    """Compare two batches; the order of positives is free."""
    for mine, other in zip(_tensors(first), _tensors(second), strict=True):
        torch.testing.assert_close(mine, other, rtol=0, atol=0)


def _tensors(batch: XCBatch) -> Iterator[torch.Tensor]:
    for part in (batch.tokens, batch.labels, batch.filtered, *([batch.shortlist] if batch.shortlist else [])):
        yield from vars(part).values()
    yield torch.unique(batch.positives, dim=0)


def seconds_per_batch(make_loader: Callable[[], DataLoader], batches: int) -> float:
    """Time one pass over the first batches."""
    loader = iter(make_loader())
    next(loader)
    start = time.perf_counter()
    for _ in islice(loader, batches):
        pass
    return (time.perf_counter() - start) / batches


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--batches", type=int, default=50)
    parser.add_argument("--batch-size", type=int, default=256)
    options = parser.parse_args()
    split, metas, beams, log_prior = make_points()
    members, by_meta = metas.membership(), Split(split.features, metas.meta_targets(split.labels), NO_PAIRS)
    out = sys.stdout.write
    out("| batches | loader | batches/s | points/s | speed-up |\n|---|---|---|---|---|\n")
    for name, points, shortlists, ours in (
        ("meta-labels", by_meta, None, AllLabelsDataset(by_meta)),
        (
            "shortlists",
            split,
            (beams, log_prior, members),
            ShortlistDataset(split, beams, log_prior, members),
        ),
    ):
        size = options.batch_size
        loaders = {
            f"single points, {row_of.__name__.replace('_', ' ')}s": partial(
                DataLoader,
                SinglePoints(points, row_of, shortlists),
                batch_size=size,
                collate_fn=collate,
            )
            for row_of in (scipy_row, numpy_row)
        } | {"whole batches": partial(batch_loader, ours, batch_size=size)}
        for batches in islice(zip(*(make() for make in loaders.values()), strict=True), 3):
            for batch in batches[:-1]:
                assert_equal(batch, batches[-1])
        times: dict[str, list[float]] = {loader: [] for loader in loaders}
        for _ in range(options.repetitions):  # alternate, so that a busy moment disturbs all loaders
            for loader, make in loaders.items():
                count = options.batches if loader == "whole batches" else max(2, options.batches // 10)
                times[loader].append(seconds_per_batch(make, count))
        medians = {loader: statistics.median(values) for loader, values in times.items()}
        for loader, seconds in medians.items():
            ratio = next(iter(medians.values())) / seconds
            out(f"| {name} | {loader} | {1 / seconds:.1f} | {size / seconds:,.0f} | {ratio:.0f} |\n")


if __name__ == "__main__":
    main()
