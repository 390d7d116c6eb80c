import json
import logging
import os
import subprocess
import sys
import time

import pytest

from xcgraph.errors import UserError
from xcgraph.graph.random_walk import RandomWalkGraph
from xcgraph.storage.artifacts import ArtifactStore, describe


class Builder:
    """Writes one file and counts its calls."""

    def __init__(self, text="content"):
        self.text = text
        self.calls = 0

    def __call__(self, folder):
        self.calls += 1
        (folder / "file.txt").write_text(self.text)


@pytest.fixture
def store(tmp_path):
    return ArtifactStore(tmp_path / "store")


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


def test_manifest_lists_inputs_and_checksums(store):
    artifact = store.make("thing", {"part": RandomWalkGraph()}, Builder())
    manifest = json.loads(artifact.path("manifest.json").read_text())
    assert manifest["inputs"] == describe({"part": RandomWalkGraph()})
    assert list(manifest["files"]) == ["file.txt"]


def test_stored_artifact_has_the_cost_of_its_build(store):
    def build(folder):
        time.sleep(0.05)
        (folder / "file.txt").write_text("content")

    made, taken = (store.make("slow", {"n": 1}, build) for _ in range(2))
    assert (made.made, taken.made) == (True, False)
    assert made.cost() == taken.cost()
    assert 0.05 <= taken.cost()["seconds"] < 5
    assert taken.cost()["peak_memory_mib"] > 10


def test_old_artifact_without_cost_is_accepted(store):
    manifest = store.make("old", {}, Builder()).path("manifest.json")
    content = json.loads(manifest.read_text())
    del content["cost"]
    manifest.write_text(json.dumps(content))
    artifact = store.make("old", {}, Builder())
    assert not artifact.made
    assert artifact.cost() == {}


def test_used_lists_built_and_loaded_artifacts(store):
    store.make("first", {}, Builder())
    run = ArtifactStore(store.root)
    assert run.used == {}
    found = run.make("first", {}, Builder())
    made = run.make("second", {}, Builder())
    assert run.used == {"first": found, "second": made}


def test_interrupted_build_resumes_in_its_folder(store):
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


def test_build_killed_before_the_rename_is_repeated(store):
    artifact = store.make("thing", {}, Builder("old"))
    artifact.folder.replace(artifact.folder.with_name(f"{artifact.folder.name}.partial"))
    build = Builder("new")
    assert store.make("thing", {}, build).path("file.txt").read_text() == "new"
    assert build.calls == 1


def test_one_of_several_processes_builds_and_the_others_wait(store):
    script = (
        "import os, sys, time; from pathlib import Path\n"
        "from xcgraph.storage.artifacts import ArtifactStore\n"
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


def test_lock_of_a_killed_builder_does_not_block(store):
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
def test_artifact_with_a_damaged_file_is_built_again(store, damage, caplog):
    build = Builder()
    artifact = store.make("thing", {}, build)
    damage(artifact.path("file.txt"))
    with caplog.at_level(logging.WARNING):
        again = store.make("thing", {}, build)
    assert [record.getMessage() for record in caplog.records] == [
        f"{artifact.folder} does not match its checksums: building it again."
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
def test_artifact_with_a_damaged_manifest_is_built_again(store, manifest, caplog):
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


def test_damaged_artifact_does_not_affect_others(store):
    builds = Builder(), Builder()
    first, second = (store.make(name, {}, build) for name, build in zip("ab", builds, strict=True))
    alter(first.path("file.txt"))
    for name, build in zip("ab", builds, strict=True):
        store.make(name, {}, build)
    assert [build.calls for build in builds] == [2, 1]
    assert second.folder.exists()


@pytest.mark.parametrize("place", ["file", "file/below"])
def test_store_in_a_file_is_refused(tmp_path, place):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(
        UserError, match=r"Cannot write to the artifact folder .*file.* paths\.artifacts=FOLDER"
    ):
        ArtifactStore(tmp_path / place)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_store_without_write_permission_is_refused(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(UserError, match="Permission denied"):
        ArtifactStore(tmp_path)


def test_new_store_is_empty(store):
    assert list(store.root.iterdir()) == []


def test_link_into_creates_hard_links(store, tmp_path):
    artifact = store.make("thing", {}, Builder())
    folder = tmp_path / "run" / "stages"
    for _ in range(2):  # the second call replaces the links of the first
        artifact.link_into(folder)
    assert sorted(path.name for path in folder.iterdir()) == ["file.txt", "manifest.json"]
    assert (folder / "file.txt").samefile(artifact.path("file.txt"))


def test_link_into_copies_if_links_are_impossible(store, tmp_path, monkeypatch):
    def refuse(source, target):
        raise OSError(f"no link from {source} to {target}")

    monkeypatch.setattr(os, "link", refuse)
    artifact = store.make("thing", {}, Builder())
    artifact.link_into(tmp_path / "run")
    assert (tmp_path / "run" / "file.txt").read_text() == "content"
    assert not (tmp_path / "run" / "file.txt").samefile(artifact.path("file.txt"))


@pytest.mark.parametrize("name", ["/dev/zero", "../outside", "pipe"])
def test_forged_manifest_reads_no_other_files(store, name):
    """A cache may come from someone else; reading a device would never end."""
    (store.root / "outside").write_text("secret")
    build = Builder()
    folder = store.make("thing", {"seed": 0}, build).folder
    os.mkfifo(folder / "pipe")
    (folder / "manifest.json").write_text(json.dumps({"inputs": {}, "files": {name: "0" * 64}}))

    store.make("thing", {"seed": 0}, build)

    assert build.calls == 2
    assert (store.root / "outside").read_text() == "secret"
