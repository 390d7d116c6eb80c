"""The files of a data set's folder, found by the names that they may have."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from xcgraph.errors import UserError
from xcgraph.formats.lines import open_file

__all__ = ["FolderFiles", "content_hash"]

_LISTED = 12


@dataclass(frozen=True)
class FolderFiles:
    """A folder in which every file may be there plain or with the ending ``.gz``.

    Attributes:
        folder: the folder; ``~`` stands for the user's home.

    Raises:
        UserError: there is no such folder.
    """

    folder: Path

    def __post_init__(self) -> None:
        folder = self.folder.expanduser()
        if not folder.is_dir():
            found = "a file" if folder.exists() else "nothing"
            raise UserError(
                f"{folder}: expected the folder of a data set, found {found}; correct the path (data.path)."
            )
        object.__setattr__(self, "folder", folder)

    def find(self, *names: str) -> Path | None:
        """Return the first file of these names that is there, plain before ``.gz``."""
        for name in names:
            for path in (self.folder / name, self.folder / f"{name}.gz"):
                if path.is_file():
                    return path
        return None

    def need(self, *names: str) -> Path:
        """Return the first file of these names that is there.

        Raises:
            UserError: none is.
        """
        found = self.find(*names)
        if found is None:
            raise UserError(
                f"{self.folder}: expected {' or '.join(names)}, found {self.listing()}; add the file."
            )
        return found

    def listing(self) -> str:
        """Name what is in the folder, as far as a message has room for it."""
        names = sorted(f"{path.name}/" if path.is_dir() else path.name for path in self.folder.iterdir())
        more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
        return (", ".join(names[:_LISTED]) or "nothing") + more


def content_hash(path: Path) -> str:
    """Hash a file's content.

    Raises:
        UserError: there is no such file, or it cannot be read.
    """
    with open_file(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
