import os
import pickle
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
from scipy.sparse import csr_array

from xcgraph.errors import UserError
from xcgraph.storage.artifacts import ArtifactStore, save_arrays, save_csr, write_atomically
from xcgraph.storage.npz import load_arrays, load_csr


class Bomb:
    """Creates a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_arrays_round_trip(tmp_path):
    arrays = {
        "floats": np.linspace(0, 1, 7, dtype=np.float32).reshape(7, 1),
        "ids": np.array([[1, -1]], np.int32),
        "nothing": np.empty((0, 3)),
        "flags": np.array([True, False]),
    }
    save_arrays(tmp_path / "arrays.npz", **arrays)
    found = load_arrays(tmp_path / "arrays.npz")
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype


@pytest.mark.parametrize("dtype", [object, [("number", int), ("thing", object)]])
def test_arrays_of_objects_are_refused(tmp_path, dtype):
    with pytest.raises(TypeError, match="Array things holds Python objects"):
        save_arrays(tmp_path / "arrays.npz", things=np.zeros(2, dtype))
    assert not (tmp_path / "arrays.npz").exists()


@pytest.mark.parametrize("shape", [(3, 5), (0, 5), (3, 0)])
def test_csr_round_trips(tmp_path, shape):
    rng = np.random.default_rng(0)
    matrix = csr_array(rng.random(shape) * (rng.random(shape) < 0.5), dtype=np.float32)
    save_csr(tmp_path / "matrix.npz", matrix)
    found = load_csr(tmp_path / "matrix.npz")
    assert isinstance(found, csr_array)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found.toarray(), matrix.toarray())


@pytest.mark.parametrize("load", [load_arrays, load_csr])
@pytest.mark.parametrize("plant", ["as object array", "as pickle"])
def test_pickled_objects_are_not_loaded(tmp_path, load, plant):
    path, harm = tmp_path / "planted.npz", tmp_path / "harm"
    if plant == "as pickle":
        path.write_bytes(pickle.dumps(Bomb(harm)))
    else:
        bomb = np.array([Bomb(harm)], object)
        np.savez(path, data=bomb, indices=bomb, indptr=bomb, shape=bomb, format=bomb)
    with pytest.raises(UserError, match=r"Python objects|File is not a zip file"):
        load(path)
    assert not harm.exists()
    pickle.loads(pickle.dumps(Bomb(harm)))  # unpickling would create the file
    assert harm.exists()


def test_stored_arrays_hold_no_pickle(tmp_path):
    save_csr(tmp_path / "matrix.npz", csr_array(np.eye(3, dtype=np.float32)))
    with ZipFile(tmp_path / "matrix.npz") as archive:
        for name in archive.namelist():
            with archive.open(name) as file:
                np.lib.format.read_array(file, allow_pickle=False)


def test_write_atomically_replaces_the_whole_text(tmp_path):
    path = tmp_path / "text.json"
    write_atomically(path, "a longer old text")
    write_atomically(path, "é")
    assert path.read_text("utf-8") == "é"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_failed_write_atomically_keeps_the_old_text(tmp_path, monkeypatch, call):
    def fail(*_):
        raise OSError("disk full")

    path = tmp_path / "text.json"
    write_atomically(path, "old")
    with monkeypatch.context() as patch:
        patch.setattr(os if call == "fsync" else Path, call, fail)
        with pytest.raises(OSError, match="disk full"):
            write_atomically(path, "new")
    assert path.read_text() == "old"


def test_artifacts_of_other_code_are_kept_and_not_used(tmp_path):
    built = []

    def build(folder):
        built.append(folder)
        (folder / "file.txt").write_text("content")

    stores = [ArtifactStore(tmp_path, code) for code in ("a", "b", "a")]
    found = [store.make("graph", {"x": 1}, build) for store in stores]
    assert [each.made for each in found] == [True, True, False]
    assert found[0].folder == found[2].folder != found[1].folder
    assert len({each.key for each in found}) == 1
