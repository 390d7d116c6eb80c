import getpass
import importlib.util
import json
import platform
import subprocess
from importlib.metadata import version
from types import SimpleNamespace

import pytest

from xcgraph.runs import provenance
from xcgraph.runs.provenance import (
    code_digest,
    environment,
    git_state,
    package_versions,
    stage_costs,
)
from xcgraph.storage.artifacts import ArtifactStore


@pytest.fixture
def checkout(tmp_path):
    """A checkout with one commit."""
    file = tmp_path / "checkout" / "module.py"
    file.parent.mkdir()
    file.write_text("x = 1\n")
    who = ["-c", "user.name=somebody", "-c", "user.email=somebody@example.org"]
    for arguments in (["init", "--quiet"], ["add", "module.py"], [*who, "commit", "--quiet", "-m", "first"]):
        subprocess.run(["git", "-C", str(file.parent), *arguments], check=True)
    return file


def test_git_state_has_commit_and_dirtiness(checkout):
    command = ["git", "-C", str(checkout.parent), "rev-parse", "HEAD"]
    commit = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    assert git_state(checkout) == {"commit": commit, "dirty": False}
    checkout.write_text("x = 2\n")
    assert git_state(checkout) == {"commit": commit, "dirty": True}


def test_untracked_file_has_no_git_state(checkout):
    installed = checkout.parent / "site-packages" / "module.py"
    installed.parent.mkdir()
    installed.write_text("x = 1\n")
    assert git_state(installed) is None


def test_git_state_is_none_without_checkout_or_git(checkout, tmp_path, monkeypatch):
    (tmp_path / "module.py").write_text("")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert git_state(tmp_path / "module.py") is None
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git_state(checkout) is None


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package with one module that affects results, and one module of the command line."""
    for name, content in {"recipe.py": "RATE = 1\n", "cli/show.py": "WIDTH = 1\n"}.items():
        file = tmp_path / "xcgraph" / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(content)
    spec = SimpleNamespace(submodule_search_locations=[str(tmp_path / "xcgraph")])
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec if name == "xcgraph" else None)
    return tmp_path / "xcgraph"


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("recipe.py", '"""Says something new."""\n\nRATE = 1  # why\n'),
        ("cli/show.py", "WIDTH = 2\n"),
        ("notes.txt", "RATE = 2\n"),
    ],
)
def test_code_digest_ignores_changes_without_effect_on_results(package, file, content):
    before = code_digest()
    (package / file).write_text(content)
    assert code_digest() == before


@pytest.mark.parametrize(("file", "content"), [("recipe.py", "RATE = 2\n"), ("new.py", "RATE = 1\n")])
def test_code_digest_depends_on_code_that_affects_results(package, file, content):
    before = code_digest()
    (package / file).write_text(content)
    assert code_digest() != before


def test_package_versions_include_all_core_packages():
    found = package_versions()
    assert {"xcgraph", "torch", "pytorch-lightning", "hydra-core", "wandb", "scipy", "numba"} <= set(found)
    assert found["numpy"] == version("numpy")
    assert not {"pytest", "ruff"} & set(found)


def test_environment_describes_the_machine_without_host_and_user_names():
    facts = environment()
    assert facts["machine"]["cores"] >= 1
    assert facts["machine"]["memory_mib"] > 100
    assert facts["machine"]["processor"]
    assert facts["peak_memory_mib"] > 10
    values = {value for value in facts["machine"].values() if isinstance(value, str)}
    assert not {platform.node(), getpass.getuser()} & values
    assert not platform.node() or platform.node() not in json.dumps(facts["machine"])


def test_processor_name_does_not_need_proc_cpuinfo(monkeypatch):
    def refuse(*_):
        raise FileNotFoundError

    monkeypatch.setattr(provenance.Path, "read_text", refuse)
    assert provenance.machine()["processor"]


def test_stage_costs_say_which_run_built_a_stage(tmp_path):
    def build(folder):
        (folder / "file.txt").write_text("content")

    first, second = (ArtifactStore(tmp_path / "store") for _ in range(2))
    first.make("graph", {}, build)
    second.make("graph", {}, build)
    made, taken = stage_costs(first.used)["graph"], stage_costs(second.used)["graph"]
    assert set(made) == {"made", "seconds", "peak_memory_mib"}
    assert taken == {**made, "made": False}
    assert made["made"]
