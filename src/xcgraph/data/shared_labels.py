"""Batches in which all points are scored against the same labels: their positives and sampled negatives."""

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from xcgraph.batch import SharedLabels, XCBatch
from xcgraph.data.batching import Rows, WeightedLabelsDataset
from xcgraph.data.xc_data import Split


class SharedLabelsDataset(WeightedLabelsDataset):
    """Batches like :class:`WeightedLabelsDataset`, scored against their own labels and randomly drawn labels.

    The draw depends only on the seed and on the points of the batch in their order. The order changes with
    every epoch, and so does the draw. A resumed run draws the same labels, with any number of workers.

    Args:
        split: points with their labels.
        num_drawn: labels to draw per batch, uniformly and without replacement, among the labels of no point
            of the batch. If there are fewer such labels, all of them are used.
        seed: random seed for the draws.
        weighed: if true, each drawn label counts as often as needed to represent all labels that could be
            drawn; if false, it counts once.
    """

    def __init__(self, split: Split, num_drawn: int, *, seed: int, weighed: bool = True) -> None:
        super().__init__(split)
        self._num_drawn = num_drawn
        self._seed = seed
        self._weighed = weighed

    def __getitem__(self, rows: Rows) -> XCBatch:
        """Return one batch with these rows, in this order."""
        full = super().__getitem__(rows)
        carried, columns = np.unique(full.labels.ids.numpy(), return_inverse=True)
        drawn = draw_others(carried, self.num_labels, self._num_drawn, self._generator(rows))
        ids = np.concatenate([carried, drawn])
        weights = np.ones(len(ids), np.float32)
        if self._weighed and len(drawn):
            weights[len(carried) :] = (self.num_labels - len(carried)) / len(drawn)
        order = np.argsort(ids)
        place = np.empty_like(order)
        place[order] = np.arange(len(order))
        positives = np.column_stack([full.positives[:, 0].numpy(), place[columns]])
        return replace(
            full,
            positives=torch.from_numpy(positives),
            shared=SharedLabels(torch.from_numpy(ids[order]), torch.from_numpy(weights[order])),
        )

    def _generator(self, rows: Rows) -> np.random.Generator:
        # An array of 32-bit words is a valid seed, and numpy reads it much faster than a long list.
        return np.random.default_rng(np.concatenate(([self._seed], rows)).astype(np.uint32))


def draw_others(
    excluded: NDArray[np.int64], num_labels: int, count: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Draw distinct labels that are not excluded, uniformly and in no particular order.

    If ``num_labels`` is much larger than ``count``, the time does not depend on ``num_labels``.

    Args:
        excluded: labels that must not be drawn, ascending and distinct.
        num_labels: labels are 0 to ``num_labels`` − 1.
        count: labels to draw; if there are fewer, all of them are returned.
        rng: random generator for the draw.
    """
    rest = num_labels - len(excluded)
    places = rng.choice(rest, min(count, rest), replace=False, shuffle=False)
    # Below the i-th excluded label there are (its id − i) labels that can be drawn.
    return places + np.searchsorted(excluded - np.arange(len(excluded)), places, side="right")
