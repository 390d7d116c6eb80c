"""The journal of a sweep: a line for each cell that begins or ends, and the list at the end."""

import contextlib
import json
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from xcgraph.errors import UserError


class CellHeldError(UserError):
    """Another process runs the cell."""


# The journal and the id of the sweep that this process runs. Hydra returns neither to its caller.
_journal: ContextVar[Path | None] = ContextVar("journal", default=None)
_sweep: ContextVar[str | None] = ContextVar("sweep", default=None)


def set_journal(journal: Path) -> None:
    """Name the journal that :func:`print_cells` reads at the end of this process."""
    _journal.set(journal)


def set_current_sweep(sweep: str | None) -> None:
    """Name the sweep that the jobs of this process are cells of."""
    _sweep.set(sweep)


def current_sweep() -> str | None:
    """Return the id of the sweep that this job is a cell of, or None. The same command has the same id."""
    return _sweep.get()


def read_journal(path: Path) -> list[dict[str, Any]]:
    """Return the newest line of each cell, in the order in which the cells began."""
    newest: dict[str, dict[str, Any]] = {}
    for text in path.read_text("utf-8").splitlines():
        with contextlib.suppress(json.JSONDecodeError):  # A full disk can leave half a line.
            line = json.loads(text)
            newest[line["folder"]] = line
    return list(newest.values())


def count_cells(cells: Iterable[Mapping[str, Any]]) -> str:
    """Return how many cells are done, running and failed, and how many run in other processes, if any."""
    states = Counter(map(_state, cells))
    shown = [state for state in _STATES if state != "elsewhere" or states[state]]
    return ", ".join(f"{states[state]} {state}" for state in shown)


_STATES = ("done", "running", "failed", "elsewhere")
_LISTED = ("elsewhere", "running", "done", "failed")  # Failed cells come last, where a user looks first.


def _state(cell: Mapping[str, Any]) -> str:
    if "error" in cell:
        return "failed"
    if "elsewhere" in cell:
        return "elsewhere"
    return "done" if "validation P@1" in cell else "running"


def print_cells() -> list[str]:
    """Print the cells of the sweep that this process ran, if any. Return the errors of the failed cells."""
    journal = _journal.get()
    _journal.set(None)
    if journal is None or not journal.exists():
        return []
    cells = read_journal(journal)
    failed = [str(cell["error"]) for cell in cells if _state(cell) == "failed"]
    ordered = sorted(cells, key=lambda cell: _LISTED.index(_state(cell)))
    lines = (f"  {_outcome(cell, journal.parent)}\n" for cell in ordered)
    sys.stderr.write(f"{len(cells)} cells in {journal.parent}, {len(failed)} of them failed:\n")
    sys.stderr.writelines(lines)
    for cell in cells:
        _remove_empty_folders(Path(cell["folder"]).parent, journal.parent)
    return failed


def _remove_empty_folders(folder: Path, root: Path) -> None:
    """Remove the folders around a refused cell, whose own folder is gone; no further cell begins."""
    with contextlib.suppress(OSError):  # a folder is not empty
        while root in folder.parents:
            folder.rmdir()
            folder = folder.parent


def _outcome(cell: Mapping[str, Any], root: Path) -> str:
    folder, overrides = Path(cell["folder"]).relative_to(root), " ".join(cell["cell"])
    if _state(cell) == "failed":
        more = ", see error.txt there" if (root / folder / "error.txt").exists() else ""
        return f"{folder} ({overrides}) failed{more}: {cell['error']}"
    if _state(cell) == "elsewhere":
        return f"{folder} ({overrides}) {cell['elsewhere']}"
    if _state(cell) == "running":
        return f"{folder} ({overrides}) was stopped"
    return f"{folder} ({overrides}) validation P@1 {100 * cell['validation P@1']:.2f}"
