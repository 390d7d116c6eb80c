"""A step of training where several processes share its points."""

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
    """The points of a step, of which each process of a group has a share; see ``EpochBatches``.

    What a process computes of the step's loss is a part: the parts add up to the loss that one process alone
    would have. DDP takes the mean of the processes' gradients, so each part counts as often as there are
    processes.

    Attributes:
        size: points of all processes together.
        rank: which process this is.
        num_processes: how many there are.
    """

    size: int
    rank: int = 0
    num_processes: int = 1

    def scale_loss(self, part: Float[Tensor, ""]) -> Float[Tensor, ""]:
        """Return what this process differentiates."""
        return part if self.num_processes == 1 else part * self.num_processes

    def reduce_mean(self, own: Float[Tensor, ""]) -> Float[Tensor, ""]:
        """Return a mean over all points of the step from the mean over this process's."""
        if self.num_processes == 1:
            return own
        share = self._share(self.size, self.rank)
        part: Tensor = own * ((share.stop - share.start) / self.size)
        distributed.all_reduce(part)
        return part

    def losses(self, own: Float[Tensor, ""]) -> Float[Tensor, "processes"]:
        """Return what each process differentiates."""
        parts = [own.detach().reshape(1).clone() for _ in range(self.num_processes)]
        if self.num_processes > 1:
            distributed.all_gather(parts, own.detach().reshape(1))
        return torch.cat(parts)

    def barrier(self) -> None:
        """Wait until all processes have come here."""
        if self.num_processes > 1:
            distributed.barrier()

    def gather(self, own: Int[Tensor, "own"]) -> Int[Tensor, "step"]:
        """Join a number for each point of this process to those of the others, in the order of the step."""
        if self.num_processes == 1:
            return own
        shares = [self._share(self.size, rank) for rank in range(self.num_processes)]
        counts = [share.stop - share.start for share in shares]
        padded = functional.pad(own, (0, max(counts) - len(own)))
        parts = [torch.empty_like(padded) for _ in counts]
        distributed.all_gather(parts, padded)
        return torch.cat([part[:count] for part, count in zip(parts, counts, strict=True)])

    def local_slice(self, things: EncodedRows) -> EncodedRows:
        """Take this process's share of what all processes have alike."""
        if self.num_processes == 1:
            return things
        share = self._share(len(things.rows), self.rank)
        return EncodedRows(things.rows[share], things.vectors[share], things.rows, share.start)

    def local_ids(self, drawn: Int[Tensor, "step"]) -> tuple[Int[Tensor, "own"], int]:
        """Return this process's share of numbers that all processes have alike, and where it begins."""
        share = self._share(len(drawn), self.rank)
        return drawn[share], share.start

    def _share(self, count: int, rank: int) -> slice:
        return share_of(count, rank, self.num_processes)


class SharedRng:
    """Random numbers that all processes draw alike, beside those that each draws for itself.

    Args:
        device: whose generator is meant, beside that of the CPU.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._state = self._read()

    @contextlib.contextmanager
    def active(self) -> Iterator[None]:
        """Draw from them; all processes must draw as many."""
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
