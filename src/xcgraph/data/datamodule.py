"""Base class of everything in ``data_modules/``: a LightningDataModule that can read one data set."""

from abc import ABC, abstractmethod
from collections.abc import Mapping

from pytorch_lightning import LightningDataModule

from xcgraph.data.xc_data import PointTexts, XCData
from xcgraph.errors import UserError

STATISTICS = ("train_points", "test_points", "labels")


class XCDataModule(LightningDataModule, ABC):
    """A data set that knows how to read itself.

    Args:
        name: the data set's name, as reports print it.
        propensity_a: A of the propensity model (Jain et al., KDD'16), a constant of the data set.
        propensity_b: B of the same model.
        statistics: expected numbers of ``train_points``, ``test_points`` and ``labels``, any or none of them.

    Raises:
        UserError: an unknown statistic.
    """

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
            UserError: a file is missing or not what it should be.
        """

    def point_texts(self) -> PointTexts | None:
        """Return the texts that the features were made of, or None where there are features alone."""
        return None

    def check_statistics(self, data: XCData, source: object) -> None:
        """Compare what was read with what was expected.

        Args:
            data: what was read.
            source: where it came from, for the message.

        Raises:
            UserError: a number differs.
        """
        numbers = (len(data.train), len(data.test), data.num_labels)
        for statistic, found in zip(STATISTICS, numbers, strict=True):
            expected = self.statistics.get(statistic, found)
            if found != expected:
                raise UserError(
                    f"{self.name}: expected {expected} {statistic}, found {found} in {source}; "
                    "use the files that the statistics describe or correct data.statistics."
                )
