"""Loaders of whole batches, whose order depends on seed and epoch alone."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from torch import distributed
from torch.utils.data import DataLoader, Sampler

from xcgraph.batch import XCBatch
from xcgraph.data.batching import AllLabelsDataset, Rows
from xcgraph.errors import UserError


class EpochBatches(Sampler[Rows]):
    """Row numbers of whole batches, shuffled anew for every epoch by seed and epoch alone.

    The order of epoch n does not depend on the epochs before it, so that a resumed run sees what the
    undisturbed one would have seen. Lightning calls :meth:`set_epoch`.

    The processes of a group share each step: one after the other, the shares of the first process, the second
    and so on are the step that one process alone would take. All processes have equal numbers of batches, of
    sizes that differ by at most one in a step.

    Args:
        num_points: how many rows there are.
        batch_size: points per step; the last one may be smaller, or in a process group larger by one less
            than there are processes.
        shuffle_seed: of the order; None to keep the order of the rows.
        shared: whether the processes of a group share the steps; else each takes all of every step.
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
        """Choose the order of this epoch."""
        self._epoch = epoch

    def step_size(self, number: int) -> int:
        """Return how many points all processes together have in a step, such as 0, the first of an epoch."""
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
        """Return the rank and the number of those that share the steps."""
        return process_place() if self._shared else (0, 1)

    def _bounds(self, num_processes: int) -> list[int]:
        """List where the steps start, and the end of the last one.

        Raises:
            UserError: there are fewer points in a step, or in all, than processes.
        """
        fewest = min(self._num_points, self._batch_size)
        if 0 < fewest < num_processes:
            raise UserError(
                f"Expected at least one point of a step for each of {num_processes} processes, found "
                f"{fewest} of {self._num_points} points in a step; lower trainer.devices or raise batch_size."
            )
        starts = list(range(0, self._num_points, self._batch_size))
        if starts and self._num_points - starts[-1] < num_processes:
            starts.pop()  # fewer points than processes: they join the step before
        return [*starts, self._num_points]


def batch_loader(
    dataset: AllLabelsDataset,
    *,
    batch_size: int,
    shuffle_seed: int | None = None,
    num_workers: int = 0,
    shared: bool = True,
) -> DataLoader[XCBatch]:
    """Make a loader of whole batches.

    Args:
        dataset: cuts the batches; it must run no parallel kernel, for its threads would not survive the
            fork of a worker.
        batch_size: points per step, of all processes together if they share it.
        shuffle_seed: of the order; None keeps the order of the rows, as prediction must.
        num_workers: processes that cut batches ahead; the batches and their order are the same with any.
        shared: whether the processes of a group share the steps; else each takes all of every step.
    """
    batches = EpochBatches(len(dataset), batch_size, shuffle_seed, shared=shared)
    # Forked workers share the data set's memory; spawned ones would each hold a copy.
    context = "fork" if num_workers else None
    return DataLoader(
        dataset, sampler=batches, batch_size=None, num_workers=num_workers, multiprocessing_context=context
    )


def process_place() -> tuple[int, int]:
    """Return this process's rank and the number of processes: 0 and 1 outside a process group."""
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1


def share_of(count: int, rank: int, num_processes: int) -> slice:
    """Cut a process's share from so many things: shares follow each other and differ by at most one."""
    return slice(count * rank // num_processes, count * (rank + 1) // num_processes)
