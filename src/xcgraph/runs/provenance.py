"""Record where a result comes from: code, command, machine, and the cost of each stage."""

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
from xcgraph.code_digest import code_digest
from xcgraph.memory import peak_memory_mib
from xcgraph.storage.artifacts import Artifact


@dataclass(frozen=True, kw_only=True)
class RunOrigin:
    """The command that started a run.

    Attributes:
        command: a shell command that starts the run again; None if Python code started it.
        overrides: config overrides of the command, such as ``hops=2``.
    """

    command: str | None = None
    overrides: tuple[str, ...] = ()


UNKNOWN = RunOrigin()


def environment() -> dict[str, Any]:
    """Describe the code and the machine, without the names of host and user."""
    return {
        "python": platform.python_version(),
        "versions": package_versions(),
        "git": git_state(Path(xcgraph.__file__)),
        "code": code_digest(),
        "machine": machine(),
        "peak_memory_mib": peak_memory_mib(),
    }


def package_versions() -> dict[str, str]:
    """Return the versions of xcgraph and of the installed packages that it requires."""
    required = (line for line in requires("xcgraph") or () if 'extra == "dev"' not in line)
    names = dict.fromkeys(["xcgraph", *(re.split(r"[^\w.-]", line, maxsplit=1)[0] for line in required)])
    return {name: found for name in names if (found := _version(name)) is not None}


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def git_state(file: Path) -> dict[str, Any] | None:
    """Return the commit of the checkout that tracks a file, and whether it has changes; None without one.

    An installed package may be inside the checkout of another project, which does not track it.
    """
    tracked = _git(file.parent, "ls-files", "--error-unmatch", file.name)
    commit = _git(file.parent, "rev-parse", "HEAD") if tracked is not None else None
    if commit is None:
        return None
    return {"commit": commit, "dirty": bool(_git(file.parent, "status", "--porcelain"))}


def _git(folder: Path, *arguments: str) -> str | None:
    """Return the output of git; None if git is missing or fails."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=30, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def machine() -> dict[str, Any]:
    """Describe the machine: platform, processor, cores, memory in MiB, and accelerator if it has one."""
    pages, page_size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    return {
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_mib": pages * page_size // 2**20,
        "accelerator": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }


def _processor() -> str:
    """Return the name of the processor, which Linux provides only in a file."""
    try:
        names = re.findall(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text("utf-8"), re.MULTILINE)
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()


def stage_costs(used: Mapping[str, Artifact]) -> dict[str, dict[str, Any]]:
    """Return for each stage whether this run built it, and the cost of the build, by this or an earlier run.

    ``peak_memory_mib`` is the peak of the process at the end of the build. Costs are None for artifacts of
    older versions.
    """
    unknown = {"seconds": None, "peak_memory_mib": None}
    return {name: {"made": artifact.made, **unknown, **artifact.cost()} for name, artifact in used.items()}
