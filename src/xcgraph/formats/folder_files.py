"""Find the files of a dataset's folder by the names that they may have."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from xcgraph.errors import UserError
from xcgraph.formats.lines import open_file

__all__ = ["FolderFiles", "content_hash"]

_MAX_LISTED = 12


@dataclass(frozen=True)
class FolderFiles:
    """A folder in which every file may be plain or compressed, with the ending ``.gz``.

    Attributes:
        folder: the folder; ``~`` stands for the user's home.

    Raises:
        UserError: the folder does not exist.
    """

    folder: Path

    def __post_init__(self) -> None:
        folder = self.folder.expanduser()
        if not folder.is_dir():
            found = "a file" if folder.exists() else "nothing"
            raise UserError(
                f"{folder}: expected the folder of a dataset, found {found}; correct the path (data.path)."
            )
        object.__setattr__(self, "folder", folder)

    def find(self, *names: str) -> Path | None:
        """Return the first existing file with one of these names, plain before ``.gz``, or None."""
        for name in names:
            for path in (self.folder / name, self.folder / f"{name}.gz"):
                if path.is_file():
                    return path
        return None

    def need(self, *names: str) -> Path:
        """Return the first existing file with one of these names.

        Raises:
            UserError: there is no such file.
        """
        found = self.find(*names)
        if found is None:
            raise UserError(
                f"{self.folder}: expected {' or '.join(names)}, found {self.listing()}; add the missing file."
            )
        return found

    def listing(self) -> str:
        """List the first files of the folder, for an error message."""
        names = sorted(f"{path.name}/" if path.is_dir() else path.name for path in self.folder.iterdir())
        more = f" and {len(names) - _MAX_LISTED} more" if len(names) > _MAX_LISTED else ""
        return (", ".join(names[:_MAX_LISTED]) or "nothing") + more


def content_hash(path: Path) -> str:
    """Return the SHA-256 of a file's content.

    Raises:
        UserError: the file does not exist or cannot be read.
    """
    with open_file(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
