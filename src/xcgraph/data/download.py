"""Fetch a published data set: one archive on Google Drive, unpacked into one folder."""

import hashlib
import shutil
import zipfile
import zlib
from pathlib import Path

from xcgraph.errors import UserError

REPOSITORY = "http://manikvarma.org/downloads/XC/XMLRepository.html"

# Of the connection; a download of hours is fine as long as something arrives.
_SILENCE_SECONDS = 60.0


def fetch_archive(drive_id: str, archive: Path, *, sha256: str | None) -> None:
    """Download a file from Google Drive, going on where an earlier download stopped.

    Args:
        drive_id: the file's id.
        archive: where it goes; a file that is there already is complete and not downloaded again.
        sha256: hexadecimal checksum of the file, or None if it is not known.

    Raises:
        UserError: gdown is not installed, there is no connection, Google refuses, or the checksum differs.
    """
    try:
        import gdown
        from requests import RequestException
    except ImportError as error:
        raise UserError(
            "Downloads need gdown, which is not installed: pip install 'xcgraph[download]', "
            f"or take the files from {REPOSITORY}."
        ) from error
    archive.parent.mkdir(parents=True, exist_ok=True)
    try:
        gdown.download(id=drive_id, output=str(archive), resume=True, timeout=_SILENCE_SECONDS)
    except RequestException as error:
        raise UserError(
            f"No connection to Google Drive ({type(error).__name__}): give the same command again when there "
            f"is one, it goes on where it stopped; or take the files from {REPOSITORY}."
        ) from error
    except gdown.exceptions.DownloadError as error:
        reason = " ".join(str(error).split())
        raise UserError(
            f"Google Drive does not hand out {drive_id} ({reason}): try again later, or take the files from "
            f"{REPOSITORY}."
        ) from error
    if sha256 is not None:
        _check_sum(archive, sha256)


def unpack_archive(archive: Path, folder: Path) -> None:
    """Unpack a zip archive into a new folder, whole or not at all; a single folder inside is left out.

    Raises:
        UserError: the archive is damaged.
    """
    draft = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(draft, ignore_errors=True)
    try:
        with zipfile.ZipFile(archive) as content:
            content.extractall(draft)
        inside = list(draft.iterdir())
        whole = inside[0] if len(inside) == 1 and inside[0].is_dir() else draft
        whole.replace(folder)
    # zipfile's RuntimeError: a packing that it does not know.
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        raise UserError(
            f"{archive}: expected an intact zip archive, found: {error}; remove it and download it again."
        ) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _check_sum(archive: Path, expected: str) -> None:
    with archive.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != expected.lower():
        raise UserError(
            f"{archive}: expected SHA-256 {expected}, found {found}; remove it and download it again."
        )
