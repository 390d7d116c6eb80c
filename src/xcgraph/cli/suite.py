"""Suites: the cells that make reproduce runs, and the folders where their runs lie."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from hydra import compose, initialize_config_module
from omegaconf import DictConfig, OmegaConf

from xcgraph.cli.sweep import cell_key, finished_metrics
from xcgraph.errors import UserError

_BYTES_PER_RUN = 4 * 2**30


@dataclass(frozen=True, kw_only=True)
class Suite:
    """What conf/reproduce declares.

    Attributes:
        cells: overrides of xcgraph-train, one string per cell.
        seeds: every cell runs with each.
        base: the experiment that the report compares others with.
        published: by cell, the method whose printed values it is compared with.
        num_threads: of each run; None: as configured. On small data two runs of one thread each end in about
            half the time that two of two threads take one after the other, and its values are the same on any
            number of cores.
    """

    cells: Sequence[str]
    seeds: Sequence[int]
    base: str
    published: Mapping[str, str] = field(default_factory=dict)
    num_threads: int | None = None

    def default_jobs(self) -> int:
        """Return how many runs at a time suit this machine: one, unless their threads are declared.

        More threads than cores wait for each other: on two cores, two runs of two threads each had not ended
        after three times as long as both take one after the other. A run of a suite that declares its threads
        is taken to stay within 4 GiB.
        """
        if self.num_threads is None:
            return 1
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // _BYTES_PER_RUN
        return max(1, min(len(os.sched_getaffinity(0)) // self.num_threads, memory))


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
    return Suite(**content)


def find_cell_runs(suite: Suite, root: str) -> list[CellRun]:
    """List the runs of a suite, cell by cell, and which of them are finished.

    Args:
        suite: what to run.
        root: ``paths.root`` of the runs.
    """
    with initialize_config_module("xcgraph.conf", version_base="1.3"):
        return [_cell_run(cell, seed, suite, root) for cell in suite.cells for seed in suite.seeds]


def _cell_run(cell: str, seed: int, suite: Suite, root: str) -> CellRun:
    threads = () if suite.num_threads is None else (f"num_threads={suite.num_threads}",)
    overrides = (*cell.split(), f"seed={seed}", *threads, f"paths.root={root}")
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
