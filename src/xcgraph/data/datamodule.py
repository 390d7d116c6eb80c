"""Base class of everything in ``data_modules/``: a LightningDataModule that can read one data set."""

from abc import ABC, abstractmethod

from pytorch_lightning import LightningDataModule

from xcgraph.data.xc_data import XCData


class XCDataModule(LightningDataModule, ABC):
    """A data set that knows how to read itself.

    Args:
        name: the data set's name, as reports print it.
        propensity_a: A of the propensity model (Jain et al., KDD'16), a constant of the data set.
        propensity_b: B of the same model.
    """

    def __init__(self, *, name: str, propensity_a: float, propensity_b: float) -> None:
        super().__init__()
        self.name = name
        self.propensity_a = propensity_a
        self.propensity_b = propensity_b

    @abstractmethod
    def read(self) -> XCData:
        """Read the whole data set.

        Raises:
            UserError: a file is missing or not what it should be.
        """
