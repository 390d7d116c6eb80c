"""Batches whose points are all scored against the same labels: those that they carry, and some more."""

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from xcgraph.batch import SharedLabels, XCBatch
from xcgraph.data.batching import Rows, WeightedLabelsDataset
from xcgraph.data.xc_data import Split


class SharedLabelsDataset(WeightedLabelsDataset):
    """As :class:`WeightedLabelsDataset`, against the labels of the batch and labels drawn from the rest.

    What is drawn depends on the seed and on which points the batch has, in which order: as that order changes
    with every epoch, so do the draws, and a resumed run, or one with other workers, draws the same.

    Args:
        split: points with their labels.
        num_drawn: how many labels to draw for a batch, uniformly and without replacement, from those that
            none of its points carries; all of them if there are fewer.
        seed: of the draws.
        weighed: whether a drawn label stands for as many as it was drawn from, else for itself alone.
    """

    def __init__(self, split: Split, num_drawn: int, *, seed: int, weighed: bool = True) -> None:
        super().__init__(split)
        self._num_drawn = num_drawn
        self._seed = seed
        self._weighed = weighed

    def __getitem__(self, rows: Rows) -> XCBatch:
        """Cut one batch: the given rows, in that order."""
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
        # As 32-bit words: what a seed may be, and numpy takes long lists of numbers one by one.
        return np.random.default_rng(np.concatenate(([self._seed], rows)).astype(np.uint32))


def draw_others(
    excluded: NDArray[np.int64], num_labels: int, count: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Draw different labels that are not excluded, all with the same probability; in no particular order.

    The time does not grow with the number of labels once that is many times the count.

    Args:
        excluded: labels that may not be drawn, ascending, each once.
        num_labels: labels are 0 to ``num_labels`` − 1.
        count: how many to draw; all others if there are fewer.
        rng: draws.
    """
    rest = num_labels - len(excluded)
    places = rng.choice(rest, min(count, rest), replace=False, shuffle=False)
    # Below the i-th excluded label lie as many that may be drawn as its number less i.
    return places + np.searchsorted(excluded - np.arange(len(excluded)), places, side="right")
