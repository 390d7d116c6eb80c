"""Download a published data set: one archive on Google Drive, unpacked into one folder."""

import hashlib
import shutil
import zipfile
import zlib
from pathlib import Path

from xcgraph.errors import UserError

REPOSITORY = "http://manikvarma.org/downloads/XC/XMLRepository.html"

# Timeout while no data arrives. The whole download may take hours.
_TIMEOUT_SECONDS = 60.0


def fetch_archive(drive_id: str, archive: Path, *, sha256: str | None) -> None:
    """Download a file from Google Drive, or resume an interrupted download.

    Args:
        drive_id: the file's id on Google Drive.
        archive: path to write. An existing file counts as complete and is not downloaded again.
        sha256: hexadecimal checksum of the file, or None if it is unknown.

    Raises:
        UserError: gdown is not installed, the connection fails, Google refuses, or the checksum differs.
    """
    try:
        import gdown
        from requests import RequestException
    except ImportError as error:
        raise UserError(
            "Downloads need the package gdown, which is not installed; run pip install 'xcgraph[download]', "
            f"or take the files from {REPOSITORY}."
        ) from error
    archive.parent.mkdir(parents=True, exist_ok=True)
    try:
        gdown.download(id=drive_id, output=str(archive), resume=True, timeout=_TIMEOUT_SECONDS)
    except RequestException as error:
        raise UserError(
            f"No connection to Google Drive ({type(error).__name__}); repeat the command later to resume the "
            f"download, or take the files from {REPOSITORY}."
        ) from error
    except gdown.exceptions.DownloadError as error:
        reason = " ".join(str(error).split())
        raise UserError(
            f"Google Drive refuses to send {drive_id} ({reason}); try again later, or take the files from "
            f"{REPOSITORY}."
        ) from error
    if sha256 is not None:
        _check_sum(archive, sha256)


def unpack_archive(archive: Path, folder: Path) -> None:
    """Unpack a zip archive into a new folder; after an error the folder does not exist.

    If the archive contains a single top-level folder, its content is unpacked without that folder.

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
    # zipfile raises RuntimeError for an unknown compression method.
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
