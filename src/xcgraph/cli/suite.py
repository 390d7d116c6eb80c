"""Suites: the cells that make reproduce runs, and the folders where their runs lie."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from hydra import compose, initialize_config_module
from omegaconf import DictConfig, OmegaConf

from xcgraph.cli.sweep import cell_key, finished_metrics
from xcgraph.errors import UserError


@dataclass(frozen=True, kw_only=True)
class Suite:
    """What conf/reproduce declares.

    Attributes:
        cells: overrides of xcgraph-train, one string per cell.
        seeds: every cell runs with each.
        base: the experiment that the report compares others with.
        published: by cell, the method whose printed values it is compared with.
    """

    cells: Sequence[str]
    seeds: Sequence[int]
    base: str
    published: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class CellRun:
    """One run of a suite.

    Attributes:
        cell: overrides of xcgraph-train.
        seed: of the run.
        overrides: all of them, ready for the command line.
        folder: where the run lies, the same as in a sweep.
        metrics: by split, if the run is finished.
    """

    cell: str
    seed: int
    overrides: tuple[str, ...]
    folder: Path
    metrics: Mapping[str, Mapping[str, float]] | None


def read_suite(data: str, suite: str) -> Suite:
    """Read a suite of a data set.

    Raises:
        UserError: there is none of that name.
    """
    root = resources.files("xcgraph.conf").joinpath("reproduce")
    file = root.joinpath(data, f"{suite}.yaml")
    if not file.is_file():
        known = sorted(
            f"DATA={folder.name} SUITE={entry.name.removesuffix('.yaml')}"
            for folder in root.iterdir()
            if folder.is_dir()
            for entry in folder.iterdir()
            if entry.name.endswith(".yaml")
        )
        raise UserError(f"There is no suite {suite} of {data}: known are {', '.join(known)}.")
    content: dict[str, Any] = yaml.safe_load(file.read_text("utf-8"))
    return Suite(**{"published": {}, **content})


def find_cell_runs(suite: Suite, root: str) -> list[CellRun]:
    """List the runs of a suite, cell by cell, and which of them are finished.

    Args:
        suite: what to run.
        root: ``paths.root`` of the runs.
    """
    with initialize_config_module("xcgraph.conf", version_base="1.3"):
        return [_cell_run(cell, seed, root) for cell in suite.cells for seed in suite.seeds]


def _cell_run(cell: str, seed: int, root: str) -> CellRun:
    overrides = (*cell.split(), f"seed={seed}", f"paths.root={root}")
    config: DictConfig = compose("train", list(overrides))
    names = (OmegaConf.select(config, "data.name"), config.name)
    folder = Path(root, "sweeps", *names, cell_key(config))
    return CellRun(
        cell=cell,
        seed=seed,
        overrides=overrides,
        folder=folder,
        metrics=finished_metrics(folder, config),
    )
