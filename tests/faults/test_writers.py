"""Every writer says which file it could not write, and leaves none: here each file may have 4,000 bytes."""

import contextlib
import errno
import resource

import numpy as np
import pytest
import torch
from scipy.sparse import random_array

from xcgraph.data.statistics import plot_label_frequency
from xcgraph.formats.write import write_points, write_rows
from xcgraph.predict.tensors import TensorWriter
from xcgraph.report.report import write_files
from xcgraph.storage.artifacts import ArtifactStore, save_arrays, save_csr, write_atomically
from xcgraph.storage.stored_csr import CsrPart, CsrWriter
from xcgraph.training.checkpoints import save_tensors

LIMIT = 4000
NUMBERS = np.random.default_rng(0).random(100_000, np.float32)
MATRIX = random_array((300, 50), density=0.2, format="csr", dtype=np.float32, rng=np.random.default_rng(0))
LABELS = MATRIX.astype(bool).astype(np.float32)


def write_stored_csr(folder):
    ends, indices = MATRIX.indptr[1:].astype(np.int64), MATRIX.indices.astype(np.int32)
    with CsrWriter(folder, "a", 50) as writer:
        writer.append(CsrPart(ends, indices, MATRIX.data))


def write_tensors(folder):
    writer = TensorWriter()
    writer.add("a", NUMBERS)
    writer.save(folder / "a.safetensors")


WRITERS = {
    "text": lambda folder: write_atomically(folder / "a.json", "a" * 10_000),
    "arrays": lambda folder: save_arrays(folder / "a.npz", a=NUMBERS),
    "sparse matrix": lambda folder: save_csr(folder / "a.npz", MATRIX),
    "checkpoint": lambda folder: save_tensors(folder / "a.ckpt", {"a": torch.from_numpy(NUMBERS)}),
    "stored rows": write_stored_csr,
    "split format": lambda folder: write_rows(folder / "a.txt", MATRIX),
    "split format, gzip": lambda folder: write_rows(folder / "a.txt.gz", MATRIX),
    "single-file format": lambda folder: write_points(folder / "a.txt", MATRIX, LABELS),
    "portable model": write_tensors,
    "report": lambda folder: write_files(folder, {"a.md": "a", "a.html": "a" * 10_000}),
    "picture": lambda folder: plot_label_frequency(np.arange(50), "a", folder / "a.png"),
}


@contextlib.contextmanager
def small_files():
    """Let no file of this process grow beyond the limit; Python ignores the signal that tells of it."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("writer", WRITERS)
def test_writer_names_the_file_and_leaves_nothing(writer, tmp_path):
    roomy, tight = tmp_path / "roomy", tmp_path / "tight"
    roomy.mkdir()
    tight.mkdir()
    WRITERS[writer](roomy)  # which also compiles what numba keeps in files
    assert max(path.stat().st_size for path in roomy.iterdir()) > LIMIT

    with small_files(), pytest.raises(OSError, match="File too large") as error:
        WRITERS[writer](tight)

    assert error.value.errno == errno.EFBIG
    assert str(error.value.filename).startswith(str(tight / "a"))
    assert list(tight.iterdir()) == []


def test_build_that_found_no_room_goes_on_when_there_is(tmp_path):
    store = ArtifactStore(tmp_path)

    def build(folder):
        write_atomically(folder / "first.json", "1")
        save_arrays(folder / "second.npz", a=NUMBERS)

    with small_files(), pytest.raises(OSError, match="File too large"):
        store.make("toy", {}, build)
    left = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    made = store.make("toy", {}, build)

    assert left == {"first.json"}
    assert {path.name for path in made.folder.iterdir()} == {"first.json", "manifest.json", "second.npz"}
    assert list(tmp_path.iterdir()) == [made.folder]
