"""Reads a data set of the Extreme Classification Repository, or of your own, from a folder."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from xcgraph.data.datamodule import XCDataModule
from xcgraph.data.download import REPOSITORY
from xcgraph.data.xc_data import PointTexts, XCData
from xcgraph.errors import UserError
from xcgraph.formats.folder import find_layout, find_point_texts, layout_named, read_folder
from xcgraph.formats.layouts import all_layouts
from xcgraph.formats.layouts.json_lines import DEFAULT_FIELDS
from xcgraph.storage.artifacts import ArtifactStore
from xcgraph.storage.user_paths import expand_home
from xcgraph.text.vectorizer import Vectorizer


class XCRepository(XCDataModule):
    """A folder with sparse features (``trn_X_Xf.txt``, ``train.txt``) or texts (``trn.json``, ``trn_X.txt``).

    Files are converted once and memory-mapped afterwards.
    :func:`~xcgraph.formats.folder.read_folder` describes the other files that a folder can have.

    Args:
        name: name of the data set in reports.
        propensity_a: A of the propensity model (Jain et al., KDD'16).
        propensity_b: B of the same model.
        path: the folder, relative to the working directory; ``~`` is the user's home.
        text: vectorizer for all texts; it has no effect if the folder has sparse features.
        cache: folder for converted files.
        layout: ``split``, ``single_file``, ``json`` or ``texts``. None chooses the layout by the files in the
            folder and prefers sparse features to texts.
        fields: names of the JSON fields whose values form a text.
        statistics: expected values of ``train_points``, ``test_points`` and ``labels``; None checks nothing.
        download: source of a published data set for ``xcgraph-data download``: ``drive_id`` on Google Drive
            and ``sha256``, each None if unknown. None means that the folder is not a published data set.
        build: recipe for ``xcgraph-data build``, whose key ``source`` says where to get the source package.
            None means that the folder is not built from one.

    Raises:
        UserError: the layout or a statistic is unknown, or ``fields`` is empty.
    """

    def __init__(  # noqa: PLR0913 - one for each key of the YAML
        self,
        *,
        name: str,
        propensity_a: float,
        propensity_b: float,
        path: str | Path,
        text: Vectorizer,
        cache: str | Path,
        layout: str | None = None,
        fields: Sequence[str] = DEFAULT_FIELDS,
        statistics: Mapping[str, int] | None = None,
        download: Mapping[str, str | None] | None = None,
        build: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(
            name=name, propensity_a=propensity_a, propensity_b=propensity_b, statistics=statistics
        )
        self.path = expand_home(path)
        self.text = text
        self.cache = expand_home(cache)
        self.layouts = all_layouts(tuple(fields))
        self.layout = layout
        self.is_published = download is not None
        self.build_source: str | None = build["source"] if build else None
        if layout is not None:
            layout_named(layout, self.layouts)

    def read(self) -> XCData:
        """Read the folder.

        Raises:
            UserError: the folder does not exist, a file is missing or damaged, files do not belong together,
                or the statistics differ.
        """
        if self.is_published and not self.path.is_dir():
            raise UserError(
                f"{self.path}: expected the data set {self.name}, found no such folder; get it with "
                f"'xcgraph-data download {self.name}' or from {REPOSITORY}, or set data.path=FOLDER if you "
                "have it."
            )
        if self.build_source is not None and not self.path.expanduser().is_dir():
            raise UserError(
                f"{self.path}: expected the data set {self.name}, found no such folder; build it with "
                f"'xcgraph-data build {self.name} SOURCE' ({self.build_source}), or set data.path=FOLDER if "
                "you have it."
            )
        data = read_folder(
            self.path,
            name=self.name,
            cache=ArtifactStore(self.cache),
            layout=find_layout(self.path, self.layout, self.layouts),
            text=self.text,
            propensity_a=self.propensity_a,
            propensity_b=self.propensity_b,
        )
        self.check_statistics(data, self.path)
        return data

    def point_texts(self) -> PointTexts | None:
        """Return the texts of the points, or None if the layout has no texts."""
        return find_point_texts(self.path, self.layout)
