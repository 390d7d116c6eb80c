"""A Hugging Face dataset, from a folder of ``save_to_disk`` or by its name on the hub."""

from pathlib import Path
from typing import Any

from data_modules.table import Tabular
from xcgraph.errors import UserError
from xcgraph.formats.tables import TableFile


class HfDataset(Tabular):
    """A dataset of the package ``datasets``; splits ``train`` and, if there is one, ``test``.

    ``path`` is a folder written by ``save_to_disk``, or a name on the hub. Columns of class labels give the
    names of the classes. Where there is no split ``test``,
    ``test`` is a share or a column as in a table; the other arguments are described at
    :class:`~data_modules.table.Tabular`.
    """

    def tables(self) -> tuple[TableFile, TableFile | None]:
        """Load the dataset."""
        found = self._load()
        splits = dict(found) if isinstance(found, dict) else {"train": found}
        if "train" not in splits:
            raise UserError(f"{self.path}: no split train; its splits are {', '.join(sorted(splits))}.")
        test = splits.get("test")
        if test is not None and self.test != 0.2:
            raise UserError(f"data.test={self.test}: {self.path} has a split test; leave data.test out.")
        train = _table(splits["train"], f"{self.path} (train)")
        return train, None if test is None else _table(test, f"{self.path} (test)")

    def _load(self) -> Any:  # noqa: ANN401 - a Dataset or a DatasetDict
        try:
            import datasets
        except ImportError as error:
            raise UserError("data=hf_dataset needs the package datasets: pip install datasets.") from error
        name = str(self.path)
        try:
            return datasets.load_from_disk(name) if Path(name).is_dir() else datasets.load_dataset(name)
        except Exception as error:  # the package raises errors of many libraries
            reason = " ".join(str(error).split())[:300]
            raise UserError(f"{name}: no dataset of save_to_disk, and none by this name: {reason}") from error


def _table(split: Any, source: str) -> TableFile:  # noqa: ANN401 - datasets.Dataset
    frame = split.to_pandas()
    for name, feature in split.features.items():
        inner = getattr(feature, "feature", None)
        if hasattr(feature, "int2str"):
            frame[name] = [feature.int2str(int(number)) for number in frame[name]]
        elif inner is not None and hasattr(inner, "int2str"):
            frame[name] = [[inner.int2str(int(number)) for number in row] for row in frame[name]]
    return TableFile(frame, source, None)
