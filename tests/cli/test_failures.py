"""A failure becomes one sentence with its cause, place and remedy. A defect of ours keeps its traceback."""

import errno
import gc
import weakref
from concurrent.futures.process import BrokenProcessPool

import numpy as np
import pytest
import torch
from omegaconf.errors import OmegaConfBaseException

from xcgraph.cli.failures import RecoveryHints, chain, describe_failure
from xcgraph.cli.sweep import _release
from xcgraph.errors import DivergedError, UserError

HINTS = RecoveryHints(interrupted="go on", output="--out", memory="take less")


def raised(action):
    """Return the exception that an action raises."""
    with pytest.raises(BaseException) as found:  # noqa: PT011
        action()
    return found.value


def while_handling(first, second):
    """Raise one exception while another is handled, like a library that cleans up."""
    try:
        raise first
    finally:
        raise second


@pytest.mark.parametrize(
    ("error", "status", "sentence"),
    [
        (KeyboardInterrupt(), 130, "Interrupted: go on."),
        (UserError("wrong"), 2, "wrong"),
        (DivergedError("no number"), 1, "no number"),
        (OmegaConfBaseException("config"), 2, "config"),
        (OSError(errno.ENOSPC, "", "a"), 2, "The disk is full (a): free some space and give the same"),
        (OSError(errno.EDQUOT, "", "a"), 2, "The quota is used up (a): free some space"),
        (OSError(errno.EFBIG, "", "a"), 2, "A file would be larger than allowed (a): raise the limit"),
        (OSError(errno.EROFS, "", "a"), 2, "Cannot write the output (a): Read-only file system. Choose"),
        (OSError(errno.ENOMEM, ""), 1, "Out of memory: take less."),
        (MemoryError(), 1, "Out of memory: take less."),
        (
            torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.5 GiB."),
            1,
            "(the program asked for 2.5 GiB",
        ),
        (BrokenProcessPool("terminated"), 1, "the system killed a process that ran a cell"),
    ],
)
def test_error_has_sentence_and_status(error, status, sentence):
    found = describe_failure(error, HINTS)
    assert found.status == status
    assert sentence in found.sentence
    assert "\n" not in found.sentence


def test_out_of_memory_of_torch_and_numpy_is_recognized():
    for action in (lambda: torch.empty(10**15), lambda: np.empty(10**15)):
        assert describe_failure(raised(action), HINTS).sentence.startswith("Out of memory (")


def test_full_disk_is_found_behind_the_exception_of_a_library():
    full = OSError(errno.ENOSPC, "No space left on device", "a.ckpt")
    error = raised(lambda: while_handling(full, RuntimeError("unexpected pos 64 vs 0")))
    assert describe_failure(error).sentence.startswith("The disk is full (a.ckpt)")


def test_user_error_wins_over_its_cause():
    error = raised(lambda: while_handling(OSError(errno.ENOSPC, ""), UserError("choose another")))
    assert describe_failure(error).sentence == "choose another"


@pytest.mark.parametrize("error", [TypeError("a"), RuntimeError("b"), OSError(errno.EIO, "c"), KeyError("d")])
def test_defect_has_no_sentence(error):
    assert describe_failure(error) is None


def test_release_frees_the_data_of_a_failed_cell():
    class Data:
        pass

    held = [Data()]
    alive = weakref.ref(held[0])

    def fail(data):
        try:
            raise MemoryError
        except MemoryError:
            raise RuntimeError(str(type(data))) from None

    error = raised(lambda: fail(held.pop()))
    gc.collect()
    assert alive() is not None
    _release(error)
    assert alive() is None


def test_chain_ends_if_exceptions_form_a_circle():
    one, two = ValueError("one"), KeyError("two")
    one.__cause__, two.__context__ = two, one

    assert list(chain(one)) == [one, two]
