"""Processes that run one recipe together, started by torchrun, SLURM or Lightning."""

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
from xcgraph.code_digest import code_digest
from xcgraph.errors import UserError
from xcgraph.storage.artifacts import Artifact, ArtifactStore

# How long the other processes wait while the first one builds, for example, a graph. Building has no limit.
_PATIENCE = timedelta(days=30)
# How long a network file system may take until one machine sees the files of another.
_VISIBLE_AFTER_SECONDS = 120


def make_trainer(make: Callable[[], Trainer]) -> Trainer:
    """Build a Trainer.

    Raises:
        UserError: the Trainer refuses a value.
    """
    try:
        return make()
    except MisconfigurationException as error:
        hint = "choose a device of this machine, such as trainer=cpu"
        raise UserError(f"trainer: {error} Correct the value or {hint}.") from error
    except (TypeError, ValueError) as error:
        raise UserError(f"{error}") from error


@contextlib.contextmanager
def spawned_errors() -> Iterator[None]:
    """Raise an xcgraph error of a spawned process as the same error in this process."""
    try:
        yield
    except ProcessRaisedException as error:
        found = re.search(r"^xcgraph\.errors\.(\w+): (.*)", str(error), re.MULTILINE)
        if found is None:
            raise
        raise getattr(errors, found[1])(found[2]) from None


def check_sharing(trainer: Trainer, module: nn.Module) -> None:
    """Check that several processes can share the training of a module.

    Raises:
        UserError: the strategy would spawn processes on several machines, or the module has sparse gradients,
            for which NCCL has no all-reduce.
    """
    strategy = trainer.strategy
    if isinstance(strategy.launcher, _MultiProcessingLauncher) and trainer.num_nodes > 1:
        raise UserError(
            f"trainer: expected strategy=ddp for num_nodes={trainer.num_nodes}, found a strategy that spawns "
            "processes on one machine; choose trainer=ddp."
        )
    if not isinstance(strategy, DDPStrategy) or strategy._get_process_group_backend() != "nccl":
        return
    tables = (part for part in module.modules() if isinstance(part, nn.Embedding | nn.EmbeddingBag))
    if any(table.sparse and table.weight.requires_grad for table in tables):
        raise UserError(
            "trainer: expected dense gradients, because NCCL cannot exchange sparse ones between GPUs, found "
            "sparse gradients; set ++refinement.sparse_gradients=false and encoder.sparse_gradients=false."
        )


class Processes:
    """The processes that run the same recipe; only the first one builds artifacts and writes files.

    There are several if the Trainer's strategy is ``ddp``, on one machine or more. With ``ddp_spawn``, the
    recipe runs in one process, and several processes share only the trainings.

    Args:
        trainer: builds the Trainer of all stages; None for a single process.

    Attributes:
        is_first: whether this process writes.

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
        """Whether there are several processes."""
        return self._strategy is not None

    @contextlib.contextmanager
    def join(self, artifacts: Path) -> Iterator[ArtifactStore]:
        """Start or join the other processes, and leave them at the end.

        Args:
            artifacts: folder of artifacts that all processes can read.

        Yields:
            The store. The first process builds artifacts; the others wait and load them.
        """
        if self._strategy is None:
            yield ArtifactStore(artifacts, code_digest())
            return
        launcher = cast(_SubprocessScriptLauncher, self._strategy.launcher)
        num_threads = torch.get_num_threads()
        launcher.launch(self._strategy.setup_environment)
        torch.set_num_threads(num_threads)  # Lightning divides the cores among the processes
        if not self.is_first:
            logging.disable(logging.INFO)  # the first process logs the same
        try:
            # The store has its own group: an NCCL group times out after minutes and needs tensors on a GPU.
            group = distributed.new_group(backend="gloo", timeout=_PATIENCE)
            yield JoinedStore(artifacts, group, code_digest())
        except BaseException:
            launcher.kill(signal.SIGTERM)  # the processes that it has started wait for this one
            raise
        finally:
            distributed.destroy_process_group()


class JoinedStore(ArtifactStore):
    """The artifact store of several processes that run one recipe.

    All processes request the same artifacts in the same order. The first process looks up each artifact and
    builds it if it is missing; the others wait. In ``make_together``, all processes take part in the build.

    Args:
        root: folder that all processes can read.
        group: the processes; they exchange tensors on the CPU.
        code: hash of the code that builds the artifacts.

    Raises:
        UserError: the folder is not writable.
    """

    def __init__(self, root: Path, group: distributed.ProcessGroup, code: str = "") -> None:
        super().__init__(root, code)
        self._group = group

    def make(self, name: str, inputs: Mapping[str, Any], build: Callable[[Path], None]) -> Artifact:
        """Return an artifact; the first process builds it while the others wait."""
        return self._lead(name, inputs, build) if self._leads else self._follow(name, build)

    def make_together(self, name: str, inputs: Mapping[str, Any], build: Callable[[Path], None]) -> Artifact:
        """Return an artifact; all processes take part in its build, such as a training."""

        def start_all(folder: Path) -> None:
            self._exchange(folder.name)
            build(folder)

        return self._lead(name, inputs, start_all) if self._leads else self._follow(name, build)

    @property
    def _leads(self) -> bool:
        return distributed.get_rank(self._group) == 0

    def _lead(self, name: str, inputs: Mapping[str, Any], build: Callable[[Path], None]) -> Artifact:
        artifact = super().make(name, inputs, build)
        self._exchange("")
        self._exchange(artifact.folder.name)
        return artifact

    def _follow(self, name: str, build: Callable[[Path], None]) -> Artifact:
        while (unfinished := self._exchange()) != "":
            build(self.root / unfinished)
        made = self._exchange()
        _wait_for(self.root / made)
        self.used[name] = Artifact(self.root / made, made.rpartition("-")[2])
        return self.used[name]

    def _exchange(self, message: str | None = None) -> str:
        """Send a message to the other processes; without a message, receive one from the first process.

        Raises:
            UserError: another process has ended.
        """
        letters = torch.tensor(list((message or "").encode()), dtype=torch.uint8)
        length = torch.tensor(len(letters))
        try:
            distributed.broadcast(length, src=0, group=self._group)
            letters = letters if message is not None else torch.empty(int(length), dtype=torch.uint8)
            if len(letters):
                distributed.broadcast(letters, src=0, group=self._group)
        except RuntimeError as error:
            raise UserError("Another process of this run has ended; see its own error message.") from error
        return bytes(letters.tolist()).decode()


def _wait_for(folder: Path) -> None:
    deadline = time.monotonic() + _VISIBLE_AFTER_SECONDS
    while not folder.exists():
        if time.monotonic() > deadline:
            raise UserError(
                f"{folder}: expected the artifact that the first process has built, found nothing; all "
                "machines must share the artifact folder, so choose another one with paths.artifacts=FOLDER."
            )
        time.sleep(0.2)
