"""Compare folders of files by content, whether the files are gzip or plain."""

import hashlib
from pathlib import Path

from xcgraph.formats.folder_files import content_hash

__all__ = ["fingerprint_folder"]


def fingerprint_folder(folder: Path) -> str:
    """Return the SHA-256 of the names, without ``.gz``, and the decompressed contents of a folder's files.

    It does not depend on how the files are compressed.

    Raises:
        UserError: a file cannot be read.
    """
    lines = sorted(f"{path.name.removesuffix('.gz')} {content_hash(path)}\n" for path in folder.iterdir())
    return hashlib.sha256("".join(lines).encode()).hexdigest()
