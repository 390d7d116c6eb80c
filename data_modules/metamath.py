"""LF-Metamath: predict the assertions that the proof of a theorem uses; embedded, nothing to download."""

import io
import lzma
import tarfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from data_modules.xc_repository import XCRepository
from xcgraph.data.datamodule import XCDataModule
from xcgraph.data.xc_data import PointTexts, XCData
from xcgraph.errors import UserError
from xcgraph.storage.artifacts import Artifact, ArtifactStore, checksum
from xcgraph.text.vectorizer import Vectorizer

EMBEDDED_ARCHIVE = Path(__file__).with_name("lf-metamath.tar.xz")

_FILES = ("trn.json", "tst.json", "lbl.json", "filter_labels_train.txt", "filter_labels_test.txt")
_FIX = "reinstall xcgraph or set data.archive to an intact copy"


class Metamath(XCDataModule):
    """Theorems of Metamath's ``set.mm`` as points, labelled with the assertions that their proofs use.

    :mod:`data_modules.builders.metamath` defines points and labels. The files of the archive are unpacked
    once into the folder for converted files.

    Args:
        name: name of the data set in reports.
        propensity_a: A of the propensity model (Jain et al., KDD'16).
        propensity_b: B of the same model.
        text: vectorizer for all texts.
        cache: folder for converted files.
        archive: a tar.xz that :mod:`data_modules.builders.pack` has written; None reads the embedded one.
        statistics: expected values of ``train_points``, ``test_points`` and ``labels``; None checks nothing.
        build: recipe for ``xcgraph-data build``, which made the archive; reading does not use it.

    Raises:
        UserError: a statistic is unknown.
    """

    def __init__(  # noqa: PLR0913 - one for each key of the YAML
        self,
        *,
        name: str,
        propensity_a: float,
        propensity_b: float,
        text: Vectorizer,
        cache: str | Path,
        archive: str | Path | None = None,
        statistics: Mapping[str, int] | None = None,
        build: Mapping[str, Any] | None = None,  # noqa: ARG002 - only xcgraph-data build reads it
    ) -> None:
        super().__init__(
            name=name, propensity_a=propensity_a, propensity_b=propensity_b, statistics=statistics
        )
        self.text = text
        self.cache = Path(cache)
        self.archive = Path(archive).expanduser() if archive else EMBEDDED_ARCHIVE

    def read(self) -> XCData:
        """Read the archive.

        Raises:
            UserError: the archive is missing, damaged or lacks a file, or the statistics differ.
        """
        data = self._unpacked().read()
        self.check_statistics(data, self.archive)
        return data

    def point_texts(self) -> PointTexts | None:
        """Return comment and statement of each theorem."""
        return self._unpacked().point_texts()

    def _unpacked(self) -> XCRepository:
        return XCRepository(
            name=self.name,
            propensity_a=self.propensity_a,
            propensity_b=self.propensity_b,
            path=self._unpack().folder,
            text=self.text,
            cache=self.cache,
            layout="json",
        )

    def _unpack(self) -> Artifact:
        try:
            inputs = {"archive": checksum(self.archive)}
        except OSError as error:
            raise UserError(
                f"{self.archive}: expected the archive of {self.name}, found no such file; {_FIX}."
            ) from error
        return ArtifactStore(self.cache.expanduser()).make(
            "unpacked", inputs, partial(_write_files, self.archive)
        )


def _write_files(archive: Path, folder: Path) -> None:
    """Unpack an archive that holds exactly the files of the data set."""
    try:
        with lzma.open(archive) as stream, tarfile.open(fileobj=io.BytesIO(stream.read())) as members:
            found = sorted(members.getnames())
            if found != sorted(_FILES):
                raise UserError(
                    f"{archive}: expected the files {', '.join(_FILES)}, found {', '.join(found)}; {_FIX}."
                )
            members.extractall(folder, filter="data")
    except (lzma.LZMAError, EOFError, tarfile.TarError) as error:
        raise UserError(f"{archive}: expected an intact tar.xz, found: {error}; {_FIX}.") from error
