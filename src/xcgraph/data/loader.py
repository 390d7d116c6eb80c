"""Loaders of whole batches, whose order depends on seed and epoch alone."""

from collections.abc import Iterator

import numpy as np
from torch.utils.data import DataLoader, Sampler

from xcgraph.batch import XCBatch
from xcgraph.data.batching import FullTargets, Rows


class EpochBatches(Sampler[Rows]):
    """Row numbers of whole batches, shuffled anew for every epoch by seed and epoch alone.

    The order of epoch n does not depend on the epochs before it, so that a resumed run sees what the
    undisturbed one would have seen. Lightning calls :meth:`set_epoch`.

    Args:
        num_points: how many rows there are.
        batch_size: points per batch; the last one may be smaller.
        shuffle_seed: of the order; None to keep the order of the rows.
    """

    def __init__(self, num_points: int, batch_size: int, shuffle_seed: int | None) -> None:
        self._num_points = num_points
        self._batch_size = batch_size
        self._shuffle_seed = shuffle_seed
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of this epoch."""
        self._epoch = epoch

    def __len__(self) -> int:
        return -(-self._num_points // self._batch_size)

    def __iter__(self) -> Iterator[Rows]:
        rows = np.arange(self._num_points)
        if self._shuffle_seed is not None:
            rows = np.random.default_rng([self._shuffle_seed, self._epoch]).permutation(self._num_points)
        for start in range(0, self._num_points, self._batch_size):
            yield rows[start : start + self._batch_size]


def batch_loader(
    dataset: FullTargets, *, batch_size: int, shuffle_seed: int | None = None
) -> DataLoader[XCBatch]:
    """Make a loader of whole batches; ``shuffle_seed`` None keeps the order, as prediction must."""
    batches = EpochBatches(len(dataset), batch_size, shuffle_seed)
    return DataLoader(dataset, sampler=batches, batch_size=None)
