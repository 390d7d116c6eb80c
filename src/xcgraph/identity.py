"""Names that identify classes and functions, and four sets of things that do not change a result."""

import sys
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

# Two cells of a sweep are the same if their configs differ only in these groups.
NOT_IN_A_CELL = frozenset(("hydra", "logger", "paths", "progress", "run"))

# Two runs are the same experiment if their configs differ only in these keys. The report has a section per
# dataset, so ``data`` is one of them; ``run`` only repeats the values of other groups.
NOT_IN_AN_EXPERIMENT = frozenset(
    (
        *("data", "hparams_search", "hydra", "logger", "name", "num_threads", "num_workers", "paths"),
        *("progress", "run", "seed"),
    )
)

# Two versions of the code give the same results if they differ only in these packages, which start runs and
# show, report and export them. Configs are compared by content.
NOT_IN_THE_CODE = frozenset(("cli", "conf", "predict", "report", "saved_runs", "tracking"))

# Two artifacts are the same if their inputs differ only in dataclass fields with this metadata, such as a
# number of processes: ``num_workers: int = field(default=0, metadata=UNKEYED)``.
UNKEYED: Mapping[str, bool] = MappingProxyType({"keyed": False})


def is_keyed(metadata: Mapping[Any, Any]) -> bool:
    """Return whether a dataclass field with this metadata is part of an artifact's key."""
    return bool(metadata.get("keyed", True))


def public_name(thing: Any) -> str:  # noqa: ANN401 - a class or function of any kind
    """Return the dotted name of a class or function, by the package of xcgraph that exports it.

    ``SumFusion`` is ``xcgraph.nn.SumFusion`` regardless of the module of ``xcgraph.nn`` that defines it. The
    name of a thing that no package of xcgraph exports starts with its module.
    """
    module, name = thing.__module__, thing.__qualname__
    exported = name.partition(".")[0]
    package = module.rpartition(".")[0] if module.startswith("xcgraph.") else ""
    while package:
        names = getattr(sys.modules.get(package), "__all__", ())
        if exported in names and _find(package, name) == thing:
            return f"{package}.{name}"
        package = package.rpartition(".")[0]
    return f"{module}.{name}"


def _find(package: str, name: str) -> Any:  # noqa: ANN401 - a class or function of any kind
    """Return what a package exports under a name, which may lead through a class; None if nothing."""
    found: Any = sys.modules[package]
    for part in name.split("."):
        found = getattr(found, part, None)
    return found
