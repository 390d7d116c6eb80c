"""Synthetic data sets of any size with planted structure, for measurements of scale and for tests."""

import logging
from pathlib import Path

from data_modules.planted import PlantedTopics, Sizes
from xcgraph.data.datamodule import XCDataModule
from xcgraph.data.xc_data import NO_PAIRS, Split, XCData
from xcgraph.errors import UserError
from xcgraph.formats.sparse_text import read_rows
from xcgraph.formats.write import RowsWriter
from xcgraph.storage.artifacts import Artifact, ArtifactStore

_log = logging.getLogger(__name__)

_TRAIN_FEATURES, _TRAIN_LABELS = "trn_X_Xf.txt", "trn_X_Y.txt"
_TEST_FEATURES, _TEST_LABELS = "tst_X_Xf.txt", "tst_X_Y.txt"
_LABEL_FEATURES = "lbl_X_Xf.txt"


class Synthetic(XCDataModule):
    """Random points and labels from planted topics, up to the size of the published data sets.

    Use it to measure time and memory, and for tests. Do not use it for claims about accuracy: a good result
    only shows that a method finds the structure of :class:`~data_modules.planted.PlantedTopics`.

    The data set is written once as files of the split format, and then read like any other data set. Writing
    and reading do not need it in memory.

    Args:
        name: name of the data set in reports.
        propensity_a: A of the propensity model (Jain et al., KDD'16).
        propensity_b: B of the same model.
        sizes: size of the data set.
        seed: random seed, at least 0; equal seeds give equal files.
        cache: folder for the files and the converted rows.

    Raises:
        UserError: the seed is negative.
    """

    def __init__(
        self,
        *,
        name: str,
        propensity_a: float,
        propensity_b: float,
        sizes: Sizes,
        seed: int,
        cache: str | Path,
    ) -> None:
        statistics = {
            "train_points": sizes.train_points,
            "test_points": sizes.test_points,
            "labels": sizes.labels,
        }
        super().__init__(
            name=name, propensity_a=propensity_a, propensity_b=propensity_b, statistics=statistics
        )
        if seed < 0:
            raise UserError(f"data.seed must be ≥ 0, got {seed}; choose another seed.")
        self.sizes = sizes
        self.seed = seed
        self.cache = Path(cache)

    def read(self) -> XCData:
        """Write the files if they do not exist yet, and read them."""
        store = ArtifactStore(self.cache)
        files = self.files(store)
        _log.info("%s: files in %s", self.name, files.folder)
        data = XCData(
            name=self.name,
            train=Split(
                read_rows(files.path(_TRAIN_FEATURES), store),
                read_rows(files.path(_TRAIN_LABELS), store),
                NO_PAIRS,
            ),
            test=Split(
                read_rows(files.path(_TEST_FEATURES), store),
                read_rows(files.path(_TEST_LABELS), store),
                NO_PAIRS,
            ),
            label_features=read_rows(files.path(_LABEL_FEATURES), store),
            propensity_a=self.propensity_a,
            propensity_b=self.propensity_b,
        )
        self.check_statistics(data, files.folder)
        return data

    def files(self, store: ArtifactStore) -> Artifact:
        """Return the folder of the files; write them if they do not exist yet."""
        return store.make("synthetic", {"sizes": self.sizes, "seed": self.seed}, self.write)

    def write(self, folder: Path) -> None:
        """Write the five files of the split format to a folder, block by block."""
        planted, sizes = PlantedTopics(self.sizes, self.seed), self.sizes
        with RowsWriter(folder / _LABEL_FEATURES, rows=sizes.labels, columns=sizes.tokens) as writer:
            for texts in planted.label_texts():
                writer.append(texts)
        for count, features, labels, points in (
            (sizes.train_points, _TRAIN_FEATURES, _TRAIN_LABELS, planted.train_points()),
            (sizes.test_points, _TEST_FEATURES, _TEST_LABELS, planted.test_points()),
        ):
            with (
                RowsWriter(folder / features, rows=count, columns=sizes.tokens) as texts,
                RowsWriter(folder / labels, rows=count, columns=sizes.labels) as label_sets,
            ):
                for point_texts, point_labels in points:
                    texts.append(point_texts)
                    label_sets.append(point_labels)
