"""A writer whose file exceeds a limit of 4,000 bytes names the file in its error and leaves no file."""

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
    "layout split": lambda folder: write_rows(folder / "a.txt", MATRIX),
    "layout split, gzip": lambda folder: write_rows(folder / "a.txt.gz", MATRIX),
    "layout single_file": lambda folder: write_points(folder / "a.txt", MATRIX, LABELS),
    "portable model": write_tensors,
    "report": lambda folder: write_files(folder, {"a.md": "a", "a.html": "a" * 10_000}),
    "picture": lambda folder: plot_label_frequency(np.arange(50), "a", folder / "a.png"),
}


@contextlib.contextmanager
def small_files():
    """Limit the size of every file of this process; Python ignores the signal SIGXFSZ."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("writer", WRITERS)
def test_writer_names_the_file_and_leaves_nothing(writer, tmp_path):
    unlimited, limited = tmp_path / "unlimited", tmp_path / "limited"
    unlimited.mkdir()
    limited.mkdir()
    WRITERS[writer](unlimited)  # also compiles loops, which numba writes to files
    assert max(path.stat().st_size for path in unlimited.iterdir()) > LIMIT

    with small_files(), pytest.raises(OSError, match="File too large") as error:
        WRITERS[writer](limited)

    assert error.value.errno == errno.EFBIG
    assert str(error.value.filename).startswith(str(limited / "a"))
    assert list(limited.iterdir()) == []


def test_interrupted_build_continues_when_there_is_space(tmp_path):
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
