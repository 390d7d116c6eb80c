"""Compare folders of files by content, whether the files are gzip or plain."""

import gzip
import hashlib
from pathlib import Path

__all__ = ["fingerprint_folder"]


def fingerprint_folder(folder: Path) -> str:
    """Return the SHA-256 of the names, without ``.gz``, and the decompressed contents of a folder's files.

    It does not depend on how the files are compressed.
    """
    lines = sorted(f"{path.name.removesuffix('.gz')} {_hash(path)}\n" for path in folder.iterdir())
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _hash(path: Path) -> str:
    found = hashlib.sha256()
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        while block := file.read(1 << 20):
            found.update(block)
    return found.hexdigest()
