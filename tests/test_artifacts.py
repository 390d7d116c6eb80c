import json
import logging
import os
import pickle
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
from scipy.sparse import csr_array

from xcgraph.artifacts import (
    UNKEYED,
    ArtifactStore,
    content_key,
    describe,
    load_arrays,
    load_csr,
    save_arrays,
    save_csr,
    write_atomically,
)
from xcgraph.errors import UserError
from xcgraph.graph.random_walk import RandomWalkGraph


@dataclass(frozen=True)
class Inner:
    length: int = 3
    share: float = 0.5


@dataclass(frozen=True)
class Outer:
    inner: Inner = Inner()
    names: tuple[str, ...] = ("a", "b")
    options: Mapping[str, object] = field(default_factory=lambda: {"x": 1, "y": None})
    make: object = partial(Inner, 3)

    def method(self):
        return self.inner


class Builder:
    """Writes one file and counts how often."""

    def __init__(self, text="content"):
        self.text = text
        self.calls = 0

    def __call__(self, folder):
        self.calls += 1
        (folder / "file.txt").write_text(self.text)


class Bomb:
    """Pickled, it creates a file when it is read."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.fixture
def store(tmp_path):
    return ArtifactStore(tmp_path / "store")


# --- keys -----------------------------------------------------------------------------------------------


def test_description_is_plain_and_complete():
    assert describe({"part": Outer(), "n": [1, 2.5, True, None]}) == {
        "part": {
            "call": f"{__name__}.Outer",
            "inner": {"call": f"{__name__}.Inner", "length": 3, "share": 0.5},
            "names": ["a", "b"],
            "options": {"x": 1, "y": None},
            "make": {"call": f"{__name__}.Inner", "args": [3]},
        },
        "n": [1, 2.5, True, None],
    }
    assert describe(partial(Inner, share=0.1)) == {"call": f"{__name__}.Inner", "args": [], "share": 0.1}
    assert describe(Inner) == {"call": f"{__name__}.Inner"}
    assert describe(json.dumps) == {"call": "json.dumps"}


CHANGED = [
    {"part": Outer(inner=Inner(length=4))},
    {"part": Outer(inner=Inner(share=0.25))},
    {"part": Outer(names=("b", "a"))},
    {"part": Outer(names=("a",))},
    {"part": Outer(options={"x": 1, "y": 0})},
    {"part": Outer(options={"x": 1})},
    {"part": Outer(make=partial(Inner, 4))},
    {"part": Outer(make=partial(Inner, length=3))},
    {"part": Outer(make=partial(Outer, 3))},
    {"part": Outer(make=Inner)},
    {"seed": 1},
    {"seed": "0"},
    {"seed": None},
    {"upstream": "0123"},
    {"more": None},
]


def test_key_changes_with_every_part_and_only_then():
    inputs = {"part": Outer(), "seed": 0, "upstream": "abcd"}
    keys = {content_key({**inputs, **change}) for change in CHANGED}
    same = {
        content_key(inputs),
        content_key({"part": Outer(), "seed": 0, "upstream": "abcd"}),
        content_key(dict(reversed(inputs.items()))),
        content_key({**inputs, "part": Outer(options={"y": None, "x": 1}, names=["a", "b"])}),
    }
    assert len(keys | same) == len(CHANGED) + 1
    assert all(len(key) == 16 and int(key, 16) >= 0 for key in keys | same)


def test_every_field_of_a_part_is_in_the_key():
    part = {"walk_length": 7, "restart_prob": 0.7, "num_neighbors": 7, "head_label_threshold": 7}
    parts = [RandomWalkGraph(), *(RandomWalkGraph(**{name: value}) for name, value in part.items())]
    assert len({content_key({"graph": part}) for part in parts}) == 5


def test_a_field_that_no_result_depends_on_is_not_in_the_key():
    @dataclass(frozen=True)
    class Part:
        share: float
        num_workers: int = field(default=0, metadata=UNKEYED)

    Part.__qualname__ = "Part"
    assert content_key({"part": Part(0.5, num_workers=4)}) == content_key({"part": Part(0.5)})
    assert content_key({"part": Part(0.6)}) != content_key({"part": Part(0.5)})


@pytest.mark.parametrize(
    "value",
    [
        {1, 2},
        b"bytes",
        np.zeros(2),
        object(),
        lambda: None,
        Outer().method,
        partial(lambda: None),
        partial(Outer().method),
        Builder(),
        {"deep": [(Outer(options={"x": object()}),)]},
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_another_process_would_describe_otherwise_is_refused(value):
    with pytest.raises(TypeError, match=r"Cannot describe a .* for an artifact's key"):
        describe(value)


def test_two_processes_have_the_same_key():
    code = (
        "from functools import partial\n"
        "from xcgraph.graph.random_walk import RandomWalkGraph as Graph\n"
        "from xcgraph.artifacts import content_key\n"
        "names = {'x': 1, 'y': 2, 'label': 'é'}\n"
        "print(content_key({'a': Graph(), 'b': partial(Graph, 3, num_neighbors=2), 'c': names, 'd': 0.1}))\n"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            text=True,
        ).stdout.strip()
        for seed in ("1", "2")
    }
    inputs = {
        "a": RandomWalkGraph(),
        "b": partial(RandomWalkGraph, 3, num_neighbors=2),
        "c": {"x": 1, "y": 2, "label": "é"},
        "d": 0.1,
    }
    assert found == {content_key(inputs)}


# --- the store ------------------------------------------------------------------------------------------


def test_artifact_is_built_once_for_the_same_inputs(store):
    build = Builder()
    first = store.make("thing", {"seed": 0}, build)
    again = ArtifactStore(store.root).make("thing", {"seed": 0}, build)
    assert (first, build.calls) == (again, 1)
    assert first.folder == store.root / f"thing-{first.key}"
    assert first.path("file.txt").read_text() == "content"
    other = store.make("thing", {"seed": 1}, build)
    named = store.make("other", {"seed": 0}, build)
    assert len({first.key, other.key, named.key}) == 3
    assert build.calls == 3
    assert sorted(path.name for path in store.root.iterdir()) == sorted(
        artifact.folder.name for artifact in (first, other, named)
    )


def test_manifest_tells_inputs_and_checksums(store):
    artifact = store.make("thing", {"part": Inner()}, Builder())
    manifest = json.loads(artifact.path("manifest.json").read_text())
    assert manifest["inputs"] == describe({"part": Inner()})
    assert list(manifest["files"]) == ["file.txt"]


def test_what_was_taken_tells_what_making_it_took(store):
    def build(folder):
        time.sleep(0.05)
        (folder / "file.txt").write_text("content")

    made, taken = (store.make("slow", {"n": 1}, build) for _ in range(2))
    assert (made.made, taken.made) == (True, False)
    assert made.cost() == taken.cost()
    assert 0.05 <= taken.cost()["seconds"] < 5
    assert taken.cost()["peak_memory_mib"] > 10


def test_artifact_from_before_costs_were_recorded_has_none(store):
    manifest = store.make("old", {}, Builder()).path("manifest.json")
    content = json.loads(manifest.read_text())
    del content["cost"]
    manifest.write_text(json.dumps(content))
    artifact = store.make("old", {}, Builder())
    assert not artifact.made
    assert artifact.cost() == {}


def test_used_lists_what_was_made_or_found_in_this_run(store):
    store.make("first", {}, Builder())
    run = ArtifactStore(store.root)
    assert run.used == {}
    found = run.make("first", {}, Builder())
    made = run.make("second", {}, Builder())
    assert run.used == {"first": found, "second": made}


def test_interrupted_build_is_not_trusted_and_goes_on_in_its_folder(store):
    def interrupted(folder):
        (folder / "part-1").write_text("done")
        (folder / ".part-2.4711").write_text("hal")
        raise KeyboardInterrupt

    def resumed(folder):
        assert [path.name for path in folder.iterdir()] == ["part-1"]
        assert (folder / "part-1").read_text() == "done"
        (folder / "part-2").write_text("done too")

    with pytest.raises(KeyboardInterrupt):
        store.make("thing", {}, interrupted)
    assert store.used == {}
    assert [path.suffix for path in store.root.iterdir()] == [".partial"]
    artifact = store.make("thing", {}, resumed)
    assert sorted(path.name for path in artifact.folder.iterdir()) == ["manifest.json", "part-1", "part-2"]
    assert list(store.root.iterdir()) == [artifact.folder]


def test_build_that_was_killed_before_the_rename_is_not_trusted(store):
    artifact = store.make("thing", {}, Builder("old"))
    artifact.folder.replace(artifact.folder.with_name(f"{artifact.folder.name}.partial"))
    build = Builder("new")
    assert store.make("thing", {}, build).path("file.txt").read_text() == "new"
    assert build.calls == 1


def test_of_two_processes_one_builds_and_the_other_waits(store):
    script = (
        "import os, sys, time; from pathlib import Path; from xcgraph.artifacts import ArtifactStore\n"
        "def build(folder):\n"
        "    (folder / f'part-{os.getpid()}').touch()\n"
        "    time.sleep(0.5)\n"
        "    assert len(list(folder.iterdir())) == 1\n"
        "ArtifactStore(Path(sys.argv[1])).make('thing', {}, build)"
    )
    command = [sys.executable, "-c", script, str(store.root)]
    processes = [subprocess.Popen(command) for _ in range(3)]
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    artifact = store.make("thing", {}, Builder())
    assert len(list(artifact.folder.glob("part-*"))) == 1
    assert list(store.root.iterdir()) == [artifact.folder]


def test_lock_of_a_killed_builder_holds_nobody_up(store):
    artifact = store.make("thing", {}, Builder())
    artifact.folder.with_name(f"{artifact.folder.name}.lock").touch()
    assert store.make("thing", {}, Builder()) == artifact


def alter(path):
    path.write_text("c0ntent")


def truncate(path):
    path.write_text("cont")


def empty(path):
    path.write_text("")


def remove(path):
    path.unlink()


def replace_by_folder(path):
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("damage", [alter, truncate, empty, remove, replace_by_folder])
def test_damaged_file_is_noticed_and_built_anew(store, damage, caplog):
    build = Builder()
    artifact = store.make("thing", {}, build)
    damage(artifact.path("file.txt"))
    with caplog.at_level(logging.WARNING):
        again = store.make("thing", {}, build)
    assert [record.getMessage() for record in caplog.records] == [
        f"{artifact.folder} does not match its checksums: building it anew."
    ]
    assert again == artifact
    assert again.path("file.txt").read_text() == "content"
    assert build.calls == 2
    store.make("thing", {}, build)
    assert build.calls == 2


@pytest.mark.parametrize(
    "manifest",
    [
        b"",
        b'{"inputs": {}, "fi',
        b"{}",
        b"[]",
        b"null",
        b'{"files": null}',
        b'{"files": ["file.txt"]}',
        b"\xff",
        None,
    ],
)
def test_damaged_manifest_is_noticed_and_built_anew(store, manifest, caplog):
    build = Builder()
    artifact = store.make("thing", {}, build)
    path = artifact.path("manifest.json")
    path.unlink()
    if manifest is not None:
        path.write_bytes(manifest)
    with caplog.at_level(logging.WARNING):
        store.make("thing", {}, build)
    assert "does not match its checksums" in caplog.text
    assert build.calls == 2
    assert json.loads(path.read_text())["files"].keys() == {"file.txt"}


def test_damage_to_one_artifact_leaves_others_alone(store):
    builds = Builder(), Builder()
    first, second = (store.make(name, {}, build) for name, build in zip("ab", builds, strict=True))
    alter(first.path("file.txt"))
    for name, build in zip("ab", builds, strict=True):
        store.make(name, {}, build)
    assert [build.calls for build in builds] == [2, 1]
    assert second.folder.exists()


@pytest.mark.parametrize("place", ["file", "file/below"])
def test_store_that_cannot_be_written(tmp_path, place):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(
        UserError, match=r"Cannot write to the artifact folder .*file.* paths\.artifacts=FOLDER"
    ):
        ArtifactStore(tmp_path / place)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_store_without_the_right_to_write(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(UserError, match="Permission denied"):
        ArtifactStore(tmp_path)


def test_store_leaves_no_probe(store):
    assert list(store.root.iterdir()) == []


def test_link_into_shows_the_files_without_copying(store, tmp_path):
    artifact = store.make("thing", {}, Builder())
    folder = tmp_path / "run" / "stages"
    for _ in range(2):  # the second time over the first links
        artifact.link_into(folder)
    assert sorted(path.name for path in folder.iterdir()) == ["file.txt", "manifest.json"]
    assert (folder / "file.txt").samefile(artifact.path("file.txt"))


def test_link_into_copies_where_links_cannot_be(store, tmp_path, monkeypatch):
    def refuse(source, target):
        raise OSError(f"no link from {source} to {target}")

    monkeypatch.setattr(os, "link", refuse)
    artifact = store.make("thing", {}, Builder())
    artifact.link_into(tmp_path / "run")
    assert (tmp_path / "run" / "file.txt").read_text() == "content"
    assert not (tmp_path / "run" / "file.txt").samefile(artifact.path("file.txt"))


# --- files ----------------------------------------------------------------------------------------------


def test_arrays_come_back(tmp_path):
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
def test_arrays_of_objects_are_not_written(tmp_path, dtype):
    with pytest.raises(TypeError, match="Array things holds Python objects"):
        save_arrays(tmp_path / "arrays.npz", things=np.zeros(2, dtype))
    assert not (tmp_path / "arrays.npz").exists()


@pytest.mark.parametrize("shape", [(3, 5), (0, 5), (3, 0)])
def test_csr_comes_back(tmp_path, shape):
    rng = np.random.default_rng(0)
    matrix = csr_array(rng.random(shape) * (rng.random(shape) < 0.5), dtype=np.float32)
    save_csr(tmp_path / "matrix.npz", matrix)
    found = load_csr(tmp_path / "matrix.npz")
    assert isinstance(found, csr_array)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found.toarray(), matrix.toarray())


@pytest.mark.parametrize("load", [load_arrays, load_csr])
@pytest.mark.parametrize("plant", ["as object array", "as pickle"])
def test_planted_pickle_is_not_run(tmp_path, load, plant):
    path, harm = tmp_path / "planted.npz", tmp_path / "harm"
    if plant == "as pickle":
        path.write_bytes(pickle.dumps(Bomb(harm)))
    else:
        bomb = np.array([Bomb(harm)], object)
        np.savez(path, data=bomb, indices=bomb, indptr=bomb, shape=bomb, format=bomb)
    with pytest.raises(ValueError, match=r"allow_pickle=False|pickled"):
        load(path)
    assert not harm.exists()
    pickle.loads(pickle.dumps(Bomb(harm)))  # it would have
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
def test_write_atomically_leaves_the_old_text_when_it_fails(tmp_path, monkeypatch, call):
    def fail(*_):
        raise OSError("disk full")

    path = tmp_path / "text.json"
    write_atomically(path, "old")
    with monkeypatch.context() as patch:
        patch.setattr(os if call == "fsync" else Path, call, fail)
        with pytest.raises(OSError, match="disk full"):
            write_atomically(path, "new")
    assert path.read_text() == "old"
