"""What stopped a command, in one sentence for who gave it, and the exit status that goes with it."""

import errno
import os
import re
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor
from dataclasses import dataclass

import torch
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from xcgraph.errors import DivergedError, UserError

# Of one run or cell: others may still go well.
FAILED = 1
# Of the command: it has to be given otherwise.
USER_ERROR = 2
INTERRUPTED = 130

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NOT_WRITABLE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST)
_OUT_OF_MEMORY = re.compile("(can't|cannot) allocate memory|not enough memory|out of memory", re.IGNORECASE)
_ASKED_FOR = re.compile(r"allocate ([\d.]+ ?(?:bytes|[KMGTPE]iB))", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class RecoveryHints:
    """What a command tells a user whom something stopped.

    Attributes:
        interrupted: what happens after Ctrl-C.
        output: how to choose another folder to write to.
        memory: how to need less memory.
    """

    interrupted: str
    output: str
    memory: str = "end other programs, or use a machine with more"


RUN_HINTS = RecoveryHints(
    interrupted="the same command goes on at the last finished epoch",
    output="paths.root=FOLDER",
    memory="lower stages.*.batch_size, encoder.dim, shortlister.beam_size or ranker.top_k, "
    "or run fewer cells side by side with hydra.launcher.n_jobs",
)


@dataclass(frozen=True)
class Failure:
    """What is said, and the exit status."""

    sentence: str
    status: int


def describe_failure(error: BaseException, advice: RecoveryHints = RUN_HINTS) -> Failure | None:
    """Say what stopped a command, or None for a defect of ours, whose traceback is wanted."""
    if isinstance(error, KeyboardInterrupt):
        return Failure(f"Interrupted: {advice.interrupted}.", INTERRUPTED)
    if isinstance(error, UserError):
        return Failure(str(error), FAILED if isinstance(error, DivergedError) else USER_ERROR)
    for cause in chain(error):
        if _is_of_memory(cause):
            return Failure(f"Out of memory{_asked_for(cause)}: {advice.memory}.", FAILED)
        if isinstance(cause, OSError) and cause.errno in _FULL:
            return Failure(_full_disk(cause), USER_ERROR)
    if isinstance(error, BrokenExecutor):
        reason = "a process that ran a cell was killed, most often for want of memory"
        return Failure(f"Stopped, for {reason}: {advice.memory}; finished cells stay finished.", FAILED)
    if isinstance(error, HydraException | OmegaConfBaseException):
        return Failure(str(error), USER_ERROR)
    if isinstance(error, OSError) and error.errno in _NOT_WRITABLE:
        reason = f"{_where(error)}: {os.strerror(error.errno)}"
        return Failure(
            f"Cannot write the output{reason}. Choose another folder with {advice.output}.", USER_ERROR
        )
    return None


def one_line(error: BaseException) -> str:
    """Say what stopped a cell: one sentence, or what a defect of ours is called."""
    mishap = describe_failure(error)
    return f"{type(error).__name__}: {error}" if mishap is None else mishap.sentence


def chain(error: BaseException) -> Iterator[BaseException]:
    """Give an exception and those that led to it, each once: a library may fail anew while it cleans up."""
    cause: BaseException | None = error
    seen: set[int] = set()
    while cause is not None and id(cause) not in seen:  # one raised again from what it caused is a circle
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)


def _is_of_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return isinstance(error, RuntimeError) and _OUT_OF_MEMORY.search(str(error)) is not None


def _asked_for(error: BaseException) -> str:
    found = _ASKED_FOR.search(str(error))
    return f" ({found[1]} were asked for at once)" if found else ""


def _full_disk(error: OSError) -> str:
    if error.errno == errno.EFBIG:
        return f"A file would be larger than allowed{_where(error)}: raise the limit (ulimit -f)."
    what = "quota is used up" if error.errno == errno.EDQUOT else "disk is full"
    return f"The {what}{_where(error)}: free some space and give the same command again."


def _where(error: OSError) -> str:
    return f" ({error.filename})" if error.filename else ""
