"""Exact and approximate search for the labels of points, on one thread: milliseconds a point, and recall.

    python -m benchmarks.retrieval RUN_FOLDER      # of a recipe without shortlists, such as joint

What is found is compared with the exact search of `xcgraph.predict`, which misses nothing. Approximate search
is faiss's, over a graph of labels (`retrieval=hnsw`).
"""

import argparse
import logging
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

import faiss
import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.clock import Took, timed
from xcgraph.nn.hnsw_retrieval import HnswRetrieval
from xcgraph.predict.engine import Embeddings
from xcgraph.predict.export import portable
from xcgraph.predict.search import ExactSearch
from xcgraph.runs.folder import LeftOut, read_run
from xcgraph.saved_runs.sources import ConfigSources
from xcgraph.storage.temp_folders import temp_folder

KS = (1, 5, 100)
WIDTHS = (100, 200, 400, 800)

Labels = NDArray[np.int64]


class Found(NamedTuple):
    """What a search has found.

    Attributes:
        labels: (points, k) best first.
        took: of each point.
    """

    labels: Labels
    took: Sequence[Took]


def label_and_point_vectors(folder: Path, num_points: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Take the vectors of labels, and of the first test points, from a finished run."""
    run = read_run(folder)
    if isinstance(run, LeftOut):
        raise SystemExit(f"{folder}: expected the folder of a finished run: {run.reason}.")
    with temp_folder("retrieval") as cache:
        sources = ConfigSources((), cache)
        data = sources.data(run)
        model = portable(sources.model(run), data)
    if model.trees[0].ranker is not None:
        raise SystemExit(f"{folder}: expected a recipe without shortlists, such as joint.")
    scoring = model.trees[0].shortlister
    return scoring.vectors, Embeddings(data.test.features[:num_points]).encode(scoring.encoder)


def ask(points: NDArray[np.float32], search: Callable[[NDArray[np.float32]], NDArray]) -> Found:
    """Search for each point by itself, after the first has warmed caches up."""
    found: list[NDArray] = []
    search(points[:1])
    took = [timed(lambda row=row: found.append(search(points[row : row + 1]))) for row in range(len(points))]
    return Found(np.concatenate(found).astype(np.int64), took)


def recall(found: Labels, exact: Labels, k: int) -> float:
    """Return the share of the exact k best that are among those found."""
    hits = (found[:, :k, None] == exact[:, None, :k]).any(axis=1)
    return float(hits.mean())


def row(name: str, found: Found, exact: Labels) -> str:
    """Write a line of the table."""
    wall, cpu = (1e3 * median(column) for column in zip(*found.took, strict=True))
    shares = " | ".join(f"{100 * recall(found.labels, exact, k):.1f}" for k in KS)
    return f"| {name} | {wall:.2f} | {cpu:.2f} | {shares} |\n"


def main() -> None:
    """Measure one run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("run", type=Path, metavar="RUN_FOLDER")
    parser.add_argument("--points", type=int, default=1000, help="test points to search for (default: 1000)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    faiss.omp_set_num_threads(1)
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", module=r"pytorch_lightning|lightning_fabric|torch|torch_geometric")
    vectors, points = label_and_point_vectors(options.run, options.points)
    exactly = ExactSearch(vectors)
    exact = ask(points, lambda point: exactly(point, max(KS))[0])
    sys.stdout.write(
        f"{len(vectors):,} labels, {vectors.shape[1]} dimensions, {len(points):,} points\n\n"
        f"| search | ms | ms of CPU | {' | '.join(f'R@{k}' for k in KS)} |\n|---|---|---|{'---|' * len(KS)}\n"
        + row("exact", exact, exact.labels)
    )
    start = Took.now()
    index = HnswRetrieval().link(torch.from_numpy(vectors))
    linking = Took.now().since(start)
    for width in WIDTHS:
        index.hnsw.efSearch = width
        found = ask(points, lambda point: index.search(point, max(KS))[1])
        sys.stdout.write(row(f"HNSW, width {width}", found, exact.labels))
    sys.stdout.write(f"\nThe graph of labels took {linking}.\n")


if __name__ == "__main__":
    main()
