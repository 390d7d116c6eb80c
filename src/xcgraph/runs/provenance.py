"""Where a result comes from: code, command, machine, and what each stage took."""

import ast
import hashlib
import importlib.util
import os
import platform
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

import torch

import xcgraph
from xcgraph.memory import peak_memory_mib
from xcgraph.storage.artifacts import Artifact


@dataclass(frozen=True, kw_only=True)
class RunOrigin:
    """Who asked for a run.

    Attributes:
        command: a command that runs it, as a shell takes it; None if it came from Python.
        overrides: what the command changes, such as ``hops=2``.
    """

    command: str | None = None
    overrides: tuple[str, ...] = ()


UNKNOWN = RunOrigin()

# What no result depends on: how runs are started, followed, reported and asked; configs are known by content.
_ASIDE = ("cli", "conf", "saved_runs", "predict", "report", "tracking")
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def environment() -> dict[str, Any]:
    """Describe code and machine, without the names of host and user."""
    return {
        "python": platform.python_version(),
        "versions": package_versions(),
        "git": git_state(Path(xcgraph.__file__)),
        "code": code_digest(),
        "machine": machine(),
        "peak_memory_mib": peak_memory_mib(),
    }


def package_versions() -> dict[str, str]:
    """Return the versions of xcgraph and of all packages it asks for, as far as they are installed."""
    asked = (line for line in requires("xcgraph") or () if 'extra == "dev"' not in line)
    names = dict.fromkeys(["xcgraph", *(re.split(r"[^\w.-]", line, maxsplit=1)[0] for line in asked)])
    return {name: found for name in names if (found := _version(name)) is not None}


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def git_state(file: Path) -> dict[str, Any] | None:
    """Return commit and dirtiness of the checkout that a file belongs to; None outside of one.

    An installed package may lie inside of somebody's checkout without belonging to it.
    """
    tracked = _git(file.parent, "ls-files", "--error-unmatch", file.name)
    commit = _git(file.parent, "rev-parse", "HEAD") if tracked is not None else None
    if commit is None:
        return None
    return {"commit": commit, "dirty": bool(_git(file.parent, "status", "--porcelain"))}


def code_digest() -> str:
    """Hash the code that results depend on, but for what only people read: comments and docstrings."""
    digest = hashlib.sha256(platform.python_version().encode())  # syntax trees differ between versions
    for package in ("xcgraph", "data_modules"):
        spec = importlib.util.find_spec(package)
        for folder in spec.submodule_search_locations or () if spec else ():
            for file in sorted(Path(folder).rglob("*.py")):
                name = file.relative_to(folder)
                if name.parts[0] not in _ASIDE:
                    digest.update(f"{package}/{name.as_posix()}\n{_syntax(file)}\n".encode())
    return digest.hexdigest()[:16]


def _syntax(file: Path) -> str:
    tree = ast.parse(file.read_bytes())
    for node in ast.walk(tree):
        if isinstance(node, _DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            del node.body[0]
    return ast.dump(tree)


def _git(folder: Path, *arguments: str) -> str | None:
    """Return what git says; None if it is not there or refuses."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=30, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def machine() -> dict[str, Any]:
    """Describe the machine: platform, processor, cores, memory in MiB, and accelerator if there is one."""
    pages, page_size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    return {
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_mib": pages * page_size // 2**20,
        "accelerator": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }


def _processor() -> str:
    """Return the processor's name: Linux tells it in a file alone."""
    try:
        names = re.findall(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text("utf-8"), re.MULTILINE)
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()


def stage_costs(used: Mapping[str, Artifact]) -> dict[str, dict[str, Any]]:
    """Tell of each stage whether this run made it, and what making it took, whichever run it was.

    ``seconds`` and ``peak_memory_mib``, of the process by then, are None for artifacts of older versions.
    """
    unknown = {"seconds": None, "peak_memory_mib": None}
    return {name: {"made": artifact.made, **unknown, **artifact.cost()} for name, artifact in used.items()}
