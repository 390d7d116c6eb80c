"""Builds the portable model of a run folder."""

import logging
import warnings
from collections.abc import Sequence
from pathlib import Path

from xcgraph.errors import UserError
from xcgraph.metrics.calibration import Calibration
from xcgraph.predict.export import portable
from xcgraph.predict.model import PortableModel
from xcgraph.runs.folder import LeftOut, read_run
from xcgraph.runs.run import CALIBRATION
from xcgraph.saved_runs.sources import ConfigSources
from xcgraph.storage.temp_folders import temp_folder


def stored_calibration(folder: Path) -> Calibration | None:
    """Return the calibration that a run has stored; None for runs without validation predictions.

    Raises:
        UserError: the file is damaged.
    """
    path = folder / CALIBRATION
    try:
        return Calibration.load(path) if path.exists() else None
    except (LookupError, ValueError) as error:
        raise UserError(f"{path}: expected a calibration, found a damaged one ({error}).") from error


def portable_run(folder: Path, trust: Sequence[str] = ()) -> PortableModel:
    """Return the portable model of a finished run.

    Args:
        folder: folder of the run.
        trust: packages whose classes the run's config may name, in addition to xcgraph's.

    Raises:
        UserError: the folder is no finished run, its dataset has changed or cannot be read, or a part of the
            model has no portable form.
    """
    run = read_run(folder)
    if isinstance(run, LeftOut):
        raise UserError(f"{folder}: expected a finished run, found one that is {run.reason}.")
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    with temp_folder("export") as cache, warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"pytorch_lightning|lightning_fabric|torch|torch_geometric")
        sources = ConfigSources(trust, cache)
        return portable(sources.model(run), sources.data(run), stored_calibration(folder))
