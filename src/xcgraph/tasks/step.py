"""A training step whose points are split between processes."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, distributed
from torch.nn import functional

from xcgraph.data.loader import share_of
from xcgraph.nn.contrast import EncodedRows


@dataclass(frozen=True)
class Step:
    """The points of a step, split between the processes of a group; see ``EpochBatches``.

    Each process computes a part of the step's loss. The parts add up to the loss of a single process. DDP
    averages the gradients of the processes, so each part is multiplied by the number of processes.

    Attributes:
        size: number of points of all processes together.
        rank: number of this process, from 0.
        num_processes: number of processes.
    """

    size: int
    rank: int = 0
    num_processes: int = 1

    def scale_loss(self, part: Float[Tensor, ""]) -> Float[Tensor, ""]:
        """Return the loss that this process differentiates."""
        return part if self.num_processes == 1 else part * self.num_processes

    def reduce_mean(self, own: Float[Tensor, ""]) -> Float[Tensor, ""]:
        """Return the mean over all points of the step, from the mean over this process's points."""
        if self.num_processes == 1:
            return own
        share = self._share(self.size, self.rank)
        part: Tensor = own * ((share.stop - share.start) / self.size)
        distributed.all_reduce(part)
        return part

    def losses(self, own: Float[Tensor, ""]) -> Float[Tensor, "processes"]:
        """Return the loss that each process differentiates."""
        parts = [own.detach().reshape(1).clone() for _ in range(self.num_processes)]
        if self.num_processes > 1:
            distributed.all_gather(parts, own.detach().reshape(1))
        return torch.cat(parts)

    def barrier(self) -> None:
        """Wait for all processes."""
        if self.num_processes > 1:
            distributed.barrier()

    def gather(self, own: Int[Tensor, "own"]) -> Int[Tensor, "step"]:
        """Return one number per point of the step, from the numbers of this process's points."""
        if self.num_processes == 1:
            return own
        shares = [self._share(self.size, rank) for rank in range(self.num_processes)]
        counts = [share.stop - share.start for share in shares]
        padded = functional.pad(own, (0, max(counts) - len(own)))
        parts = [torch.empty_like(padded) for _ in counts]
        distributed.all_gather(parts, padded)
        return torch.cat([part[:count] for part, count in zip(parts, counts, strict=True)])

    def local_slice(self, encoded: EncodedRows) -> EncodedRows:
        """Return this process's share of rows that all processes hold."""
        if self.num_processes == 1:
            return encoded
        share = self._share(len(encoded.rows), self.rank)
        return EncodedRows(encoded.rows[share], encoded.vectors[share], encoded.rows, share.start)

    def local_ids(self, drawn: Int[Tensor, "step"]) -> tuple[Int[Tensor, "own"], int]:
        """Return this process's share of numbers that all processes hold, and the position of the first."""
        share = self._share(len(drawn), self.rank)
        return drawn[share], share.start

    def _share(self, count: int, rank: int) -> slice:
        return share_of(count, rank, self.num_processes)


class SharedRng:
    """A random state that all processes share, beside the state that each process has of its own.

    Args:
        device: the device whose generator is shared, in addition to the CPU's.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._state = self._read()

    @contextlib.contextmanager
    def active(self) -> Iterator[None]:
        """Draw random numbers from the shared state; all processes must draw equally many."""
        own = self._read()
        self._write(self._state)
        try:
            yield
        finally:
            self._state = self._read()
            self._write(own)

    def _read(self) -> tuple[Tensor, ...]:
        states = [torch.get_rng_state()]
        if self._device.type == "cuda":
            states.append(torch.cuda.get_rng_state(self._device))
        return tuple(states)

    def _write(self, states: tuple[Tensor, ...]) -> None:
        torch.set_rng_state(states[0])
        if self._device.type == "cuda":
            torch.cuda.set_rng_state(states[1], self._device)
