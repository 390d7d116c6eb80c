"""Base class of the data sets in ``data_modules/``: reads one data set and serves it as batches."""

import functools
from abc import ABC, abstractmethod
from collections.abc import Mapping

from pytorch_lightning import LightningDataModule
from torch.utils.data import DataLoader

from xcgraph.batch import XCBatch
from xcgraph.data.batching import AllLabelsDataset
from xcgraph.data.holdout import hold_out
from xcgraph.data.loader import batch_loader
from xcgraph.data.xc_data import PointTexts, XCData
from xcgraph.errors import UserError

STATISTICS = ("train_points", "test_points", "labels")


class XCDataModule(LightningDataModule, ABC):
    """A data set that can read itself, and that any Lightning Trainer can train on.

    The recipes call :meth:`read` and make their own loaders. The loaders here are for
    ``Trainer.fit(task, datamodule=module)``. They serve each batch with all labels, as an
    :class:`~xcgraph.data.batching.AllLabelsDataset` does. Set the attributes below before training to change
    the loaders; no result of a recipe depends on them.

    Args:
        name: name of the data set in reports.
        propensity_a: A of the propensity model (Jain et al., KDD'16), a constant of the data set.
        propensity_b: B of the same model.
        statistics: expected values of ``train_points``, ``test_points`` and ``labels``; any of them may be
            missing and is then not checked.

    Attributes:
        batch_size: points per batch. With several processes it is the total over all processes; pass
            ``use_distributed_sampler=False`` to the Trainer then, because the loaders share the points out.
        num_workers: worker processes that build batches ahead of time.
        shuffle_seed: random seed for the order of the training points.
        validation_fraction: share of the training points that are held out for validation, in (0, 1).
        validation_seed: random seed for the choice of the validation points.

    Raises:
        UserError: ``statistics`` has an unknown key.
    """

    batch_size: int = 256
    num_workers: int = 0
    shuffle_seed: int = 0
    validation_fraction: float = 0.05
    validation_seed: int = 0

    name: str  # always set, where Lightning's own annotation allows None

    def __init__(
        self,
        *,
        name: str,
        propensity_a: float,
        propensity_b: float,
        statistics: Mapping[str, int] | None = None,
    ) -> None:
        super().__init__()
        self.name = name
        self.propensity_a = propensity_a
        self.propensity_b = propensity_b
        self.statistics = dict(statistics or {})
        for statistic in self.statistics:
            if statistic not in STATISTICS:
                raise UserError(
                    f"data.statistics: expected some of {', '.join(STATISTICS)}, found {statistic}; "
                    "correct the name."
                )

    @abstractmethod
    def read(self) -> XCData:
        """Read the whole data set.

        Raises:
            UserError: a file is missing or invalid.
        """

    def point_texts(self) -> PointTexts | None:
        """Return the texts of the points, or None if the data set has only features."""
        return None

    @functools.cached_property
    def data(self) -> XCData:
        """The data set, which is read at the first access and kept."""
        return self.read()

    def setup(self, stage: str | None = None) -> None:
        """Read the data set and hold out the validation points; Lightning calls this before the loaders.

        Args:
            stage: ignored, because one read serves all stages.

        Raises:
            UserError: the data cannot be read, or the held-out or the remaining points would be none.
        """
        del stage
        train, valid = hold_out(self.data.train, self.validation_fraction, self.validation_seed)
        self._datasets = {
            "train": AllLabelsDataset(train),
            "valid": AllLabelsDataset(valid),
            "test": AllLabelsDataset(self.data.test),
        }

    def train_dataloader(self) -> DataLoader[XCBatch]:
        """Return batches of the training points without the validation points, shuffled in every epoch."""
        return self._loader("train", shuffle_seed=self.shuffle_seed)

    def val_dataloader(self) -> DataLoader[XCBatch]:
        """Return batches of the validation points, which are held out from the training points."""
        return self._loader("valid")

    def test_dataloader(self) -> DataLoader[XCBatch]:
        """Return batches of the test points in their order."""
        return self._loader("test")

    def check_statistics(self, data: XCData, source: object) -> None:
        """Compare the sizes of the data with the expected statistics.

        Args:
            data: the data set as read.
            source: the file or folder for the error message.

        Raises:
            UserError: a size differs.
        """
        sizes = (len(data.train), len(data.test), data.num_labels)
        for statistic, found in zip(STATISTICS, sizes, strict=True):
            expected = self.statistics.get(statistic, found)
            if found != expected:
                raise UserError(
                    f"{self.name}: expected {expected} {statistic}, found {found} in {source}; "
                    "use the files that the statistics describe or correct data.statistics."
                )

    def _loader(self, part: str, shuffle_seed: int | None = None) -> DataLoader[XCBatch]:
        if not hasattr(self, "_datasets"):
            self.setup()
        if self.batch_size < 1:
            raise UserError(f"{self.name}: batch_size must be at least 1, found {self.batch_size}.")
        return batch_loader(
            self._datasets[part],
            batch_size=self.batch_size,
            shuffle_seed=shuffle_seed,
            num_workers=self.num_workers,
        )
