"""Store the outputs of stages in folders whose names are hashes of all inputs."""

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
from typing import Any

import numpy as np
from scipy.sparse import csr_array, save_npz

from xcgraph import __version__
from xcgraph.errors import UserError
from xcgraph.identity import is_keyed, public_name
from xcgraph.memory import peak_memory_mib
from xcgraph.storage.atomic_files import atomic_write
from xcgraph.storage.locks import Lease, one_at_a_time
from xcgraph.storage.safe_files import inside, open_regular, read_json

_log = logging.getLogger(__name__)

# Raise this number when the meaning of stored files changes: all keys change, and old files are not reused.
_FORMAT = 3
_MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Artifact:
    """A finished folder of files.

    Attributes:
        folder: the folder.
        key: hash of all inputs.
        made: whether this process built the artifact; otherwise it was already in the store.
    """

    folder: Path
    key: str
    made: bool = field(default=False, compare=False)

    def path(self, name: str) -> Path:
        """Return the path of one of its files."""
        return self.folder / name

    def cost(self) -> dict[str, float]:
        """Return the cost of the build: ``seconds``, and ``peak_memory_mib`` of the process at its end.

        Old artifacts have no costs: the result is empty. If the build was interrupted and resumed, the costs
        are those of the last attempt.
        """
        manifest = read_json(self.path(_MANIFEST))
        cost: dict[str, float] = manifest.get("cost", {})
        return cost

    def link_into(self, folder: Path) -> None:
        """Link the files into another folder; copy them if the disk has no hard links."""
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

    The store builds an artifact under a temporary name, writes a manifest with the checksums of all files,
    and then renames the folder. After an interruption, the next build gets the unfinished folder and can
    continue there. If the files of an artifact do not match its manifest, the store builds it again.

    Args:
        root: folder of the artifacts; created if it does not exist.
        code: hash of the code that builds them. The store keeps artifacts of other code, but does not use
            them. It is not part of :attr:`Artifact.key`, which says what an artifact is made of.

    Attributes:
        used: the artifacts that :meth:`make` has returned so far, by name.

    Raises:
        UserError: the folder is not writable.
    """

    def __init__(self, root: Path, code: str = "") -> None:
        self.root = root
        self.code = code
        self.used: dict[str, Artifact] = {}
        try:
            root.mkdir(parents=True, exist_ok=True)
            # A named test file could survive a kill, or collide with one from another machine.
            tempfile.TemporaryFile(dir=root).close()
        except OSError as error:
            raise UserError(
                f"Cannot write to the artifact folder {root} ({error.strerror}): choose another one with "
                "paths.artifacts=FOLDER."
            ) from error

    def make(self, name: str, inputs: Mapping[str, Any], build: Callable[[Path], None]) -> Artifact:
        """Return the artifact with these inputs; build it if the store does not have it.

        Args:
            name: name of the artifact; its folder is named ``NAME-KEY``.
            inputs: everything that the files depend on, of the types that :func:`describe` takes.
            build: writes the files into a folder. The folder may contain files of an interrupted build.
        """
        final = self.folder(name, inputs)
        with one_at_a_time(final.with_name(f"{final.name}.lock")) as lease:
            found = _is_intact(final)
            if not found:
                self._build(final, describe(inputs), build, lease)
        self.used[name] = Artifact(final, content_key({"name": name, **inputs}), made=not found)
        return self.used[name]

    def folder(self, name: str, inputs: Mapping[str, Any]) -> Path:
        """Return the folder of an artifact that this code builds of these inputs."""
        code = {"code": self.code} if self.code else {}
        return self.root / f"{name}-{content_key({'name': name, **code, **inputs})}"

    def make_together(self, name: str, inputs: Mapping[str, Any], build: Callable[[Path], None]) -> Artifact:
        """Return the artifact as :meth:`make` does; in a group of processes, all of them run ``build``."""
        return self.make(name, inputs, build)

    def _build(self, final: Path, inputs: Any, build: Callable[[Path], None], lease: Lease) -> None:  # noqa: ANN401 - JSON
        (work := final.with_name(f"{final.name}.partial")).mkdir(exist_ok=True)
        for draft in work.glob(".*"):  # incomplete files of a killed process
            draft.unlink()
        started = time.perf_counter()
        build(work)
        cost = {"seconds": round(time.perf_counter() - started, 3), "peak_memory_mib": peak_memory_mib()}
        lease.check()  # another process may have taken over this folder
        _write_manifest(work, inputs, cost)
        work.replace(final)
        sync_file(self.root)


def content_key(inputs: Mapping[str, Any]) -> str:
    """Hash inputs to 16 hexadecimal digits; see :func:`describe` for the types that they may have."""
    text = json.dumps({"format": _FORMAT, "version": __version__, **describe(inputs)}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def describe(value: Any) -> Any:  # noqa: ANN401 - any value that has a JSON form, and that form
    """Turn a configuration object into plain JSON values.

    A dataclass becomes its :func:`~xcgraph.identity.public_name` with its fields, except those with the
    metadata ``UNKEYED``. A partial becomes the name of its function with its arguments.

    Raises:
        TypeError: no description of the value would be the same in another process.
    """
    if isinstance(value, bool | int | float | str | None):
        return value
    if isinstance(value, Mapping):
        return {str(name): describe(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [describe(part) for part in value]
    if isinstance(value, functools.partial):
        return {"call": _name_of(value.func), "args": describe(value.args), **describe(value.keywords)}
    if is_dataclass(value) and not isinstance(value, type):
        keyed = (part.name for part in fields(value) if is_keyed(part.metadata))
        parts = {name: getattr(value, name) for name in keyed}
        return {"call": _name_of(type(value)), **describe(parts)}
    if callable(value):
        return {"call": _name_of(value)}
    raise TypeError(f"Cannot describe a {type(value).__name__} for an artifact's key.")


def save_arrays(path: Path, **arrays: np.ndarray) -> None:
    """Write named arrays without pickle and without compression; ``npz.load_arrays`` reads them."""
    for name, array in arrays.items():
        if array.dtype.hasobject:
            raise TypeError(f"Array {name} holds Python objects.")
    named: dict[str, Any] = arrays  # numpy before 2.2 would store an argument allow_pickle as an array
    with atomic_write(path) as file:
        np.savez(file, **named)


def save_csr(path: Path, matrix: csr_array) -> None:
    """Write a sparse matrix; ``npz.load_csr`` and :func:`scipy.sparse.load_npz` read it."""
    with atomic_write(path) as file:
        save_npz(file, matrix, compressed=False)


def write_atomically(path: Path, text: str) -> None:
    """Replace a text file in one step: a reader finds the old content or the new, never a part."""
    with atomic_write(path) as file:
        file.write(text.encode())


def _name_of(thing: Any) -> str:  # noqa: ANN401 - a class or function of any kind
    """Return the public name of a class or function.

    Raises:
        TypeError: the name does not identify it. All lambdas have one name, and the name of a bound method
            does not include the values of its object.
    """
    name: str = getattr(thing, "__qualname__", "<>")
    if "<" in name or (inspect.ismethod(thing) and not inspect.isclass(thing.__self__)):
        raise TypeError(f"Cannot describe a {type(thing).__name__} without a name for an artifact's key.")
    return public_name(thing)


def _write_manifest(folder: Path, inputs: Any, cost: Mapping[str, float]) -> None:  # noqa: ANN401 - JSON
    files = sorted(path for path in folder.iterdir() if path.name != _MANIFEST)
    for path in files:
        sync_file(path)
    sums = {path.name: checksum(path) for path in files}
    write_atomically(
        folder / _MANIFEST, json.dumps({"inputs": inputs, "files": sums, "cost": cost}, indent=1)
    )


def _is_intact(folder: Path) -> bool:
    """Return whether an artifact exists and matches its checksums; remove a damaged one."""
    if not folder.exists():
        return False
    try:
        sums = read_json(folder / _MANIFEST)["files"]
        intact = all(checksum(inside(folder, name)) == found for name, found in sums.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):  # a damaged manifest may be any JSON
        intact = False
    if not intact:
        _log.warning("%s does not match its checksums: building it again.", folder)
        shutil.rmtree(folder)
    return intact


def checksum(path: Path) -> str:
    """Return the SHA-256 of a regular file; raise an OSError if there is none."""
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync_file(path: Path) -> None:
    """Wait until the disk has all of a file or folder."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
