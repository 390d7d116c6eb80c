"""Suites: the cells that xcgraph-reproduce runs, and the folders of their runs."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hydra import compose, initialize_config_module
from omegaconf import DictConfig, OmegaConf

from xcgraph.cli.results import find_results, forget_data, share_data
from xcgraph.cli.sweep import cell_key
from xcgraph.data.xc_data import XCData
from xcgraph.errors import UserError
from xcgraph.report.suites import read_suite_file, suite_names
from xcgraph.saved_runs.build import build_node

_BYTES_PER_RUN = 4 * 2**30


@dataclass(frozen=True, kw_only=True)
class Suite:
    """The runs of a suite, as its file in ``xcgraph/report/suites`` declares them.

    Attributes:
        cells: overrides of xcgraph-train, one string per cell.
        seeds: random seeds; every cell runs with each of them.
        base: the experiment that the report compares others with.
        published: by cell, the method whose printed values the cell is compared with.
        num_threads: threads of each run; None leaves the number to the config. On small data, two runs of one
            thread side by side take about half the time of two runs of two threads in turn. One thread also
            gives the same values on any number of cores.
    """

    cells: Sequence[str]
    seeds: Sequence[int]
    base: str
    published: Mapping[str, str] = field(default_factory=dict)
    num_threads: int | None = None

    def default_jobs(self) -> int:
        """Return how many runs at a time suit this machine: one, unless the suite declares their threads.

        More threads than cores wait for each other. On two cores, two runs of two threads side by side had
        not ended after three times the time that they take in turn. A run of a suite that declares its
        threads is assumed to need at most 4 GiB.
        """
        if self.num_threads is None:
            return 1
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // _BYTES_PER_RUN
        return max(1, min(len(os.sched_getaffinity(0)) // self.num_threads, memory))


@dataclass(frozen=True, kw_only=True)
class CellRun:
    """One run of a suite.

    Attributes:
        cell: overrides of xcgraph-train, as the suite has them.
        seed: random seed of the run.
        overrides: all overrides, ready for the command line.
        folder: the run folder, the same as in a sweep.
        metrics: metrics by split, or None if the run is not finished.
        refusal: why the results in the folder do not count, as a part of a sentence; empty without results.
    """

    cell: str
    seed: int
    overrides: tuple[str, ...]
    folder: Path
    metrics: Mapping[str, Mapping[str, float]] | None
    refusal: str = ""


def read_suite(data: str, suite: str) -> Suite:
    """Read a suite of a data set.

    Raises:
        UserError: there is no suite of that name.
    """
    content = read_suite_file(data, suite)
    if content is None:
        known = (f"DATA={each} SUITE={name}" for each, name in suite_names())
        raise UserError(f"There is no suite {suite} of {data}: known suites are {', '.join(known)}.")
    return Suite(**content)


def find_cell_runs(suite: Suite, root: str) -> list[CellRun]:
    """List the runs of a suite, cell by cell, with the metrics of the finished ones.

    Args:
        suite: the suite.
        root: ``paths.root`` of the runs.
    """
    with initialize_config_module("xcgraph.conf", version_base="1.3"):
        found = [_cell_run(cell, seed, suite, root) for cell in suite.cells for seed in suite.seeds]
    forget_data()  # The runs need the memory.
    return found


def _cell_run(cell: str, seed: int, suite: Suite, root: str) -> CellRun:
    threads = () if suite.num_threads is None else (f"num_threads={suite.num_threads}",)
    overrides = (*cell.split(), f"seed={seed}", *threads, f"paths.root={root}")
    config: DictConfig = compose("train", list(overrides))
    names = (OmegaConf.select(config, "data.name"), config.name)
    folder = Path(root, "sweeps", *names, cell_key(config))
    found = find_results(folder, config, lambda: _read(config.data))
    return CellRun(
        cell=cell,
        seed=seed,
        overrides=overrides,
        folder=found.folder,
        metrics=found.metrics,
        refusal=found.refusal,
    )


def _read(node: DictConfig) -> XCData:
    return share_data(node, build_node(node)).data
