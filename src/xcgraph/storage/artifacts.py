"""What a stage leaves behind, stored under a key of all that went into it."""

import functools
import hashlib
import inspect
import json
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from scipy.sparse import csr_array, save_npz

from xcgraph import __version__
from xcgraph.errors import UserError
from xcgraph.memory import peak_memory_mib
from xcgraph.storage.atomic_files import atomic_write
from xcgraph.storage.locks import Lease, one_at_a_time
from xcgraph.storage.safe_files import inside, open_regular, read_json

_log = logging.getLogger(__name__)

# Raise it when the meaning of stored files changes, so that nothing old is taken for new.
_FORMAT = 2
_MANIFEST = "manifest.json"
# Metadata of a dataclass field that no result depends on, such as a number of processes.
UNKEYED = MappingProxyType({"keyed": False})


@dataclass(frozen=True)
class Artifact:
    """A finished folder of files.

    Attributes:
        folder: where they are.
        key: of everything that went into them.
        made: whether this process has made them; else they were there.
    """

    folder: Path
    key: str
    made: bool = field(default=False, compare=False)

    def path(self, name: str) -> Path:
        """Return the path of one of its files."""
        return self.folder / name

    def cost(self) -> dict[str, float]:
        """Return what making it took: ``seconds``, and ``peak_memory_mib`` of the process by then.

        Empty for an artifact from before costs were noted. After an interruption, the last go alone counts.
        """
        manifest = read_json(self.path(_MANIFEST))
        cost: dict[str, float] = manifest.get("cost", {})
        return cost

    def link_into(self, folder: Path) -> None:
        """Show its files in another folder too: as hard links where the disk allows, else as copies."""
        folder.mkdir(parents=True, exist_ok=True)
        for source in self.folder.iterdir():
            target = folder / source.name
            target.unlink(missing_ok=True)
            try:
                os.link(source, target)
            except OSError:
                shutil.copy2(source, target)


class ArtifactStore:
    """A folder of artifacts that any number of runs share.

    An artifact is built under a temporary name and renamed when complete; its manifest with the checksums
    of all files is written last. A build that was interrupted finds its unfinished folder again and may go
    on in it; a folder whose files do not match its manifest is built anew.

    Args:
        root: the folder; made if it does not exist.

    Attributes:
        used: by name, the artifacts that :meth:`make` has returned.

    Raises:
        UserError: the folder cannot be written.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.used: dict[str, Artifact] = {}
        try:
            root.mkdir(parents=True, exist_ok=True)
            # Without a name, which a kill could leave and another machine's process could have, too.
            tempfile.TemporaryFile(dir=root).close()
        except OSError as error:
            raise UserError(
                f"Cannot write to the artifact folder {root} ({error.strerror}): "
                "choose another with paths.artifacts=FOLDER."
            ) from error

    def make(self, name: str, inputs: Mapping[str, Any], build: Callable[[Path], None]) -> Artifact:
        """Return the artifact with these inputs, building it if it is not there yet.

        Args:
            name: what it is, for people who look into the folder.
            inputs: everything that its content depends on; see :func:`describe` for what may be in it.
            build: writes the files into the folder it is given, which may hold what an interrupted build
                left there.
        """
        key = content_key({"name": name, **inputs})
        final = self.root / f"{name}-{key}"
        with one_at_a_time(final.with_name(f"{final.name}.lock")) as lease:
            found = _is_intact(final)
            if not found:
                self._build(final, describe(inputs), build, lease)
        self.used[name] = Artifact(final, key, made=not found)
        return self.used[name]

    def make_together(self, name: str, inputs: Mapping[str, Any], build: Callable[[Path], None]) -> Artifact:
        """As :meth:`make`, for a build in which all processes of a group take part; here there is one."""
        return self.make(name, inputs, build)

    def _build(self, final: Path, inputs: Any, build: Callable[[Path], None], lease: Lease) -> None:  # noqa: ANN401
        (work := final.with_name(f"{final.name}.partial")).mkdir(exist_ok=True)
        for draft in work.glob(".*"):  # half-written, and nobody's any more
            draft.unlink()
        started = time.perf_counter()
        build(work)
        cost = {"seconds": round(time.perf_counter() - started, 3), "peak_memory_mib": peak_memory_mib()}
        lease.check()  # else another has gone on in this folder
        _write_manifest(work, inputs, cost)
        work.replace(final)
        sync_file(self.root)


def content_key(inputs: Mapping[str, Any]) -> str:
    """Hash a description to 16 hexadecimal digits."""
    text = json.dumps({"format": _FORMAT, "version": __version__, **describe(inputs)}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def describe(value: Any) -> Any:  # noqa: ANN401 - it takes and gives whatever JSON can hold
    """Turn a configuration object into plain JSON values that say the same.

    Dataclasses and partials become their qualified name with their fields, but for those that are
    ``UNKEYED``, or arguments.

    Raises:
        TypeError: the value has no description that would be the same in another process.
    """
    if isinstance(value, bool | int | float | str | None):
        return value
    if isinstance(value, Mapping):
        return {str(name): describe(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [describe(part) for part in value]
    if isinstance(value, functools.partial):
        return {"call": _qualified_name(value.func), "args": describe(value.args), **describe(value.keywords)}
    if is_dataclass(value) and not isinstance(value, type):
        keyed = (part.name for part in fields(value) if part.metadata.get("keyed", True))
        parts = {name: getattr(value, name) for name in keyed}
        return {"call": _qualified_name(type(value)), **describe(parts)}
    if callable(value):
        return {"call": _qualified_name(value)}
    raise TypeError(f"Cannot describe a {type(value).__name__} for an artifact's key.")


def save_arrays(path: Path, **arrays: np.ndarray) -> None:
    """Write named arrays, for :func:`xcgraph.storage.npz.load_arrays` (no pickle, not compressed)."""
    for name, array in arrays.items():
        if array.dtype.hasobject:
            raise TypeError(f"Array {name} holds Python objects.")
    named: dict[str, Any] = arrays  # before numpy 2.2, allow_pickle would be stored as one more of them
    with atomic_write(path) as file:
        np.savez(file, **named)


def save_csr(path: Path, matrix: csr_array) -> None:
    """Write a sparse matrix as :func:`xcgraph.storage.npz.load_csr` and :func:`scipy.sparse.load_npz` read it."""
    with atomic_write(path) as file:
        save_npz(file, matrix, compressed=False)


def write_atomically(path: Path, text: str) -> None:
    """Write a text file so that a reader finds the old content or the new, never half of it."""
    with atomic_write(path) as file:
        file.write(text.encode())


def _qualified_name(thing: Any) -> str:  # noqa: ANN401 - a class or function of any kind
    """Name a class or function; lambdas share one name, and a bound method's tells nothing of its object."""
    name: str = getattr(thing, "__qualname__", "<>")
    if "<" in name or (inspect.ismethod(thing) and not inspect.isclass(thing.__self__)):
        raise TypeError(f"Cannot describe a {type(thing).__name__} without a name for an artifact's key.")
    return f"{thing.__module__}.{name}"


def _write_manifest(folder: Path, inputs: Any, cost: Mapping[str, float]) -> None:  # noqa: ANN401 - JSON
    files = sorted(path for path in folder.iterdir() if path.name != _MANIFEST)
    for path in files:
        sync_file(path)
    sums = {path.name: checksum(path) for path in files}
    write_atomically(
        folder / _MANIFEST, json.dumps({"inputs": inputs, "files": sums, "cost": cost}, indent=1)
    )


def _is_intact(folder: Path) -> bool:
    """Check a finished artifact; move a damaged one out of the way."""
    if not folder.exists():
        return False
    try:
        sums = read_json(folder / _MANIFEST)["files"]
        intact = all(checksum(inside(folder, name)) == found for name, found in sums.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):  # the manifest may hold anything
        intact = False
    if not intact:
        _log.warning("%s does not match its checksums: building it anew.", folder)
        shutil.rmtree(folder)
    return intact


def checksum(path: Path) -> str:
    """Return the SHA-256 of a file; raises OSError if there is none, or something else."""
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync_file(path: Path) -> None:
    """Wait until a file is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
