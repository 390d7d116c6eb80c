"""Loaders of whole batches in an order that depends only on the seed and the epoch."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from torch import distributed
from torch.utils.data import DataLoader, Sampler

from xcgraph.batch import XCBatch
from xcgraph.data.batching import AllLabelsDataset, Rows
from xcgraph.errors import UserError


class EpochBatches(Sampler[Rows]):
    """Yield the row numbers of whole batches, shuffled again in every epoch.

    The order of epoch n depends only on the seed and on n. A resumed run therefore sees the same batches as
    an uninterrupted run. Lightning calls :meth:`set_epoch`.

    With several processes, each step is split: the shares of the first process, the second process and so
    on, one after the other, are the step of a single process. All processes have the same number of batches.
    Within a step, their sizes differ by at most one.

    Args:
        num_points: number of rows.
        batch_size: points per step. The last step may be smaller. With P processes it may also be larger, by
            at most P − 1 points.
        shuffle_seed: random seed for the order; None keeps the order of the rows.
        shared: if true, split each step across processes; if false, every process sees whole steps.
    """

    def __init__(
        self, num_points: int, batch_size: int, shuffle_seed: int | None, *, shared: bool = True
    ) -> None:
        self._num_points = num_points
        self._batch_size = batch_size
        self._shuffle_seed = shuffle_seed
        self._shared = shared
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch, which determines the order."""
        self._epoch = epoch

    def step_size(self, number: int) -> int:
        """Return the number of points of a step over all processes; step 0 is the first of an epoch."""
        bounds = self._bounds(self._place()[1])
        return bounds[number + 1] - bounds[number]

    def __len__(self) -> int:
        return len(self._bounds(self._place()[1])) - 1

    def __iter__(self) -> Iterator[Rows]:
        rows = np.arange(self._num_points)
        if self._shuffle_seed is not None:
            rows = np.random.default_rng([self._shuffle_seed, self._epoch]).permutation(self._num_points)
        place = self._place()
        for start, end in pairwise(self._bounds(place[1])):
            share = share_of(end - start, *place)
            yield rows[start + share.start : start + share.stop]

    def _place(self) -> tuple[int, int]:
        """Return the rank of this process and the number of processes that share the steps."""
        return process_place() if self._shared else (0, 1)

    def _bounds(self, num_processes: int) -> list[int]:
        """Return the start of each step, and the end of the last step.

        Raises:
            UserError: a step, or the whole split, has fewer points than there are processes.
        """
        fewest = min(self._num_points, self._batch_size)
        if 0 < fewest < num_processes:
            raise UserError(
                f"batch_size: expected at least one point for each of {num_processes} processes, found "
                f"{fewest} of {self._num_points} points in a step; lower trainer.devices or raise batch_size."
            )
        starts = list(range(0, self._num_points, self._batch_size))
        if starts and self._num_points - starts[-1] < num_processes:
            starts.pop()  # the last step has fewer points than processes, so the previous step takes them
        return [*starts, self._num_points]


def batch_loader(
    dataset: AllLabelsDataset,
    *,
    batch_size: int,
    shuffle_seed: int | None = None,
    num_workers: int = 0,
    shared: bool = True,
) -> DataLoader[XCBatch]:
    """Return a loader of whole batches.

    Args:
        dataset: source of the batches. It must not run parallel kernels, because their threads do not
            survive the fork of a worker.
        batch_size: points per step, over all processes if they share the steps.
        shuffle_seed: random seed for the order; None keeps the order of the rows, which prediction needs.
        num_workers: worker processes that build batches ahead of time. The number changes neither the
            batches nor their order.
        shared: if true, split each step across processes; if false, every process sees whole steps.
    """
    batches = EpochBatches(len(dataset), batch_size, shuffle_seed, shared=shared)
    # Forked workers share the memory of the data set. Spawned workers would each hold a copy.
    context = "fork" if num_workers else None
    return DataLoader(
        dataset, sampler=batches, batch_size=None, num_workers=num_workers, multiprocessing_context=context
    )


def process_place() -> tuple[int, int]:
    """Return the rank of this process and the number of processes, 0 and 1 without a process group."""
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1


def share_of(count: int, rank: int, num_processes: int) -> slice:
    """Return the slice of ``count`` items for a process; slices are consecutive and differ by at most one."""
    return slice(count * rank // num_processes, count * (rank + 1) // num_processes)
