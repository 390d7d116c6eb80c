"""Turns an exception into a one-sentence message and an exit status."""

import errno
import os
import re
import sys
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor
from dataclasses import dataclass

from xcgraph.errors import DivergedError, UserError

# One run or cell failed. Others may still go well.
FAILED = 1
# The command is wrong. The user has to change it.
USER_ERROR = 2
INTERRUPTED = 130

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NOT_WRITABLE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST)
_OUT_OF_MEMORY = re.compile("(can't|cannot) allocate memory|not enough memory|out of memory", re.IGNORECASE)
_ALLOCATION = re.compile(r"allocate ([\d.]+ ?(?:bytes|[KMGTPE]iB))", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class RecoveryHints:
    """What a user can do after a failure of a command.

    Attributes:
        interrupted: what happens after Ctrl-C.
        output: how to choose another folder for the output.
        memory: how to use less memory.
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
    """A message for the user and the exit status of the command."""

    sentence: str
    status: int


def describe_failure(error: BaseException, hints: RecoveryHints = RUN_HINTS) -> Failure | None:
    """Describe an exception, or return None for a defect of ours, which needs its traceback."""
    if isinstance(error, KeyboardInterrupt):
        return Failure(f"Interrupted: {hints.interrupted}.", INTERRUPTED)
    if isinstance(error, UserError):
        return Failure(str(error), FAILED if isinstance(error, DivergedError) else USER_ERROR)
    for cause in chain(error):
        if _is_out_of_memory(cause):
            return Failure(f"Out of memory{_allocation(cause)}: {hints.memory}.", FAILED)
        if isinstance(cause, OSError) and cause.errno in _FULL:
            return Failure(_full_disk(cause), USER_ERROR)
    if isinstance(error, BrokenExecutor):
        reason = "the system killed a process that ran a cell, most often because memory ran out"
        return Failure(f"Stopped, {reason}: {hints.memory}; finished cells stay finished.", FAILED)
    if _is_config_error(error):
        refused = _refusal_of_a_resolver(error)
        if refused is not None:
            return describe_failure(refused, hints)
        return Failure(_config_sentence(error), USER_ERROR)
    if isinstance(error, OSError) and error.errno in _NOT_WRITABLE:
        reason = f"{_where(error)}: {os.strerror(error.errno)}"
        return Failure(
            f"Cannot write the output{reason}. Choose another folder with {hints.output}.", USER_ERROR
        )
    return None


def one_line(error: BaseException) -> str:
    """Return the message of a failed cell: one sentence, or the name and text of a defect of ours."""
    failure = describe_failure(error)
    return f"{type(error).__name__}: {error}" if failure is None else failure.sentence


def chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and the exceptions that led to it, each once.

    A library may raise a second exception while it cleans up after the first.
    """
    cause: BaseException | None = error
    seen: set[int] = set()
    while cause is not None and id(cause) not in seen:  # An exception can be its own distant cause.
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)


# torch and Hydra take seconds to import. An exception of theirs can only come up after the import.


def _is_config_error(error: BaseException) -> bool:
    kinds = (("hydra.errors", "HydraException"), ("omegaconf.errors", "OmegaConfBaseException"))
    return any(
        isinstance(error, getattr(sys.modules[module], name))
        for module, name in kinds
        if module in sys.modules
    )


def _refusal_of_a_resolver(error: BaseException) -> BaseException | None:
    """Return the exception of a resolver of ours. OmegaConf hides it in the context of its own exception."""
    context = error.__context__
    while context is not None and not isinstance(context, UserError | OSError):
        context = context.__context__
    return context


def _is_out_of_memory(error: BaseException) -> bool:
    torch = sys.modules.get("torch")
    if isinstance(error, MemoryError) or (torch is not None and isinstance(error, torch.OutOfMemoryError)):
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return isinstance(error, RuntimeError) and _OUT_OF_MEMORY.search(str(error)) is not None


def _allocation(error: BaseException) -> str:
    found = _ALLOCATION.search(str(error))
    return f" (the program asked for {found[1]} at once)" if found else ""


def _config_sentence(error: BaseException) -> str:
    """Return the message of Hydra or OmegaConf in one line, without its advice for developers."""
    first, *rest = (line.strip() for line in str(error).splitlines() if line.strip())
    key = next((line.removeprefix("full_key: ") for line in rest if line.startswith("full_key: ")), "")
    return f"{key}: {first}" if key else first


def _full_disk(error: OSError) -> str:
    if error.errno == errno.EFBIG:
        return f"A file would be larger than allowed{_where(error)}: raise the limit (ulimit -f)."
    reason = "quota is used up" if error.errno == errno.EDQUOT else "disk is full"
    return f"The {reason}{_where(error)}: free some space and give the same command again."


def _where(error: OSError) -> str:
    return f" ({error.filename})" if error.filename else ""
