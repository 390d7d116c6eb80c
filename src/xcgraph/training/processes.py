"""The processes that run one recipe together: those of torchrun or SLURM, or those that Lightning starts."""

import contextlib
import functools
import logging
import re
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import torch
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning import Trainer
from pytorch_lightning.strategies import DDPStrategy
from pytorch_lightning.strategies.launchers import _MultiProcessingLauncher, _SubprocessScriptLauncher
from torch import distributed, nn
from torch.multiprocessing.spawn import ProcessRaisedException

from xcgraph import errors
from xcgraph.errors import UserError
from xcgraph.storage.artifacts import Artifact, ArtifactStore

# How long the others wait for what the first one builds alone, such as a graph: as long as it takes.
_PATIENCE = timedelta(days=30)
# How long a network's file system may take to show to one machine what another has written.
_VISIBLE_AFTER_SECONDS = 120


def make_trainer(make: Callable[[], Trainer]) -> Trainer:
    """Make a Trainer.

    Raises:
        UserError: it refuses a value.
    """
    try:
        return make()
    except MisconfigurationException as error:
        hint = "take one that this machine has, such as trainer=cpu"
        raise UserError(f"trainer: {error} Correct the value or {hint}.") from error
    except (TypeError, ValueError) as error:
        raise UserError(f"{error}") from error


@contextlib.contextmanager
def heard() -> Iterator[None]:
    """Let an error of ours in a process that Lightning has spawned be the same error here."""
    try:
        yield
    except ProcessRaisedException as error:
        found = re.search(r"^xcgraph\.errors\.(\w+): (.*)", str(error), re.MULTILINE)
        if found is None:
            raise
        raise getattr(errors, found[1])(found[2]) from None


def check_sharing(trainer: Trainer, module: nn.Module) -> None:
    """Refuse what processes cannot share.

    Raises:
        UserError: processes on several machines are to be spawned, or a part of the module has sparse
            gradients, for which NCCL has no all-reduce.
    """
    strategy = trainer.strategy
    if isinstance(strategy.launcher, _MultiProcessingLauncher) and trainer.num_nodes > 1:
        raise UserError(
            f"trainer: expected strategy=ddp for num_nodes={trainer.num_nodes}, found one that spawns "
            "processes on one machine; take trainer=ddp."
        )
    if not isinstance(strategy, DDPStrategy) or strategy._get_process_group_backend() != "nccl":
        return
    tables = (part for part in module.modules() if isinstance(part, nn.Embedding | nn.EmbeddingBag))
    if any(table.sparse and table.weight.requires_grad for table in tables):
        raise UserError(
            "trainer: expected dense gradients, for NCCL exchanges no others between GPUs, found sparse "
            "ones; set ++refinement.sparse_gradients=false and encoder.sparse_gradients=false."
        )


class Processes:
    """This process and those that run the same recipe beside it; the first one alone builds and writes.

    There are others where a Trainer's strategy is ``ddp``, on as many machines as it is told. With
    ``ddp_spawn``, the recipe runs in one process, and its trainings alone are shared.

    Args:
        trainer: as of all stages; None for this process alone.

    Attributes:
        is_first: whether this is the one that writes.

    Raises:
        UserError: the Trainer refuses a value.
    """

    def __init__(self, trainer: Callable[..., Trainer] | None) -> None:
        self._strategy: DDPStrategy | None = None
        self.is_first = True
        if trainer is not None:
            made = make_trainer(functools.partial(trainer, logger=False, enable_progress_bar=False))
            if isinstance(made.strategy.launcher, _SubprocessScriptLauncher):
                self._strategy = cast(DDPStrategy, made.strategy)
                self.is_first = made.is_global_zero

    @property
    def are_many(self) -> bool:
        """Whether there are others."""
        return self._strategy is not None

    @contextlib.contextmanager
    def join(self, artifacts: Path) -> Iterator[ArtifactStore]:
        """Start or meet the others, and leave them at the end.

        Args:
            artifacts: folder of artifacts that all of them see.

        Yields:
            The artifacts: what the first process builds, the others wait for and take.
        """
        if self._strategy is None:
            yield ArtifactStore(artifacts)
            return
        launcher = cast(_SubprocessScriptLauncher, self._strategy.launcher)
        num_threads = torch.get_num_threads()
        launcher.launch(self._strategy.setup_environment)
        torch.set_num_threads(num_threads)  # Lightning divides the cores among the processes
        if not self.is_first:
            logging.disable(logging.INFO)  # the first one says the same
        try:
            # Of its own: NCCL's would give up after minutes, and needs tensors on a GPU.
            yield JoinedStore(artifacts, distributed.new_group(backend="gloo", timeout=_PATIENCE))
        except BaseException:
            launcher.kill(signal.SIGTERM)  # those that it has started, who wait for this one
            raise
        finally:
            distributed.destroy_process_group()


class JoinedStore(ArtifactStore):
    """Artifacts of processes that run one recipe together.

    All ask for the same artifacts in the same order. The first process looks whether one is there, builds it
    if not, and tells the others; in a build that is said to be theirs too, they take part.

    Args:
        root: the folder, which all must see.
        group: the processes; messages are tensors on the CPU.

    Raises:
        UserError: the folder cannot be written.
    """

    def __init__(self, root: Path, group: distributed.ProcessGroup) -> None:
        super().__init__(root)
        self._group = group

    def make(self, name: str, inputs: Mapping[str, Any], build: Callable[[Path], None]) -> Artifact:
        """Let the first process make an artifact while the others wait; see :class:`ArtifactStore`."""
        return self._lead(name, inputs, build) if self._leads else self._follow(name, build)

    def make_together(self, name: str, inputs: Mapping[str, Any], build: Callable[[Path], None]) -> Artifact:
        """As :meth:`make`, for a build in which all processes take part, such as a training."""

        def call_the_others(folder: Path) -> None:
            self._tell(folder.name)
            build(folder)

        return self._lead(name, inputs, call_the_others) if self._leads else self._follow(name, build)

    @property
    def _leads(self) -> bool:
        return distributed.get_rank(self._group) == 0

    def _lead(self, name: str, inputs: Mapping[str, Any], build: Callable[[Path], None]) -> Artifact:
        artifact = super().make(name, inputs, build)
        self._tell("")
        self._tell(artifact.folder.name)
        return artifact

    def _follow(self, name: str, build: Callable[[Path], None]) -> Artifact:
        while (unfinished := self._tell()) != "":
            build(self.root / unfinished)
        made = self._tell()
        _wait_for(self.root / made)
        self.used[name] = Artifact(self.root / made, made.rpartition("-")[2])
        return self.used[name]

    def _tell(self, message: str | None = None) -> str:
        """Tell the others, or without a message be told by the first process.

        Raises:
            UserError: it has ended.
        """
        letters = torch.tensor(list((message or "").encode()), dtype=torch.uint8)
        length = torch.tensor(len(letters))
        try:
            distributed.broadcast(length, src=0, group=self._group)
            letters = letters if message is not None else torch.empty(int(length), dtype=torch.uint8)
            if len(letters):
                distributed.broadcast(letters, src=0, group=self._group)
        except RuntimeError as error:
            raise UserError("Another process of this run has ended: its own message tells why.") from error
        return bytes(letters.tolist()).decode()


def _wait_for(folder: Path) -> None:
    deadline = time.monotonic() + _VISIBLE_AFTER_SECONDS
    while not folder.exists():
        if time.monotonic() > deadline:
            raise UserError(
                f"Expected {folder}, which the first process has made, found nothing: all machines must "
                "share the folder of artifacts; choose another with paths.artifacts=FOLDER."
            )
        time.sleep(0.2)
