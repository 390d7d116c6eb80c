"""Compare exact and approximate label search on one thread: milliseconds per point, and recall.

    python -m benchmarks.retrieval RUN_FOLDER      # a run of a recipe without shortlists, such as joint

Recall is measured against the exact search of `xcgraph.predict`. The approximate search is the HNSW index of
faiss (`retrieval=hnsw`).
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
    """Results of one search.

    Attributes:
        labels: (points, k) labels, best first.
        took: time of each point.
    """

    labels: Labels
    took: Sequence[Took]


def label_and_point_vectors(folder: Path, num_points: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the label vectors and the vectors of the first test points of a finished run."""
    run = read_run(folder)
    if isinstance(run, LeftOut):
        raise SystemExit(f"{folder}: this is not the folder of a finished run: {run.reason}.")
    with temp_folder("retrieval") as cache:
        sources = ConfigSources((), cache)
        data = sources.data(run)
        model = portable(sources.model(run), data)
    if model.trees[0].ranker is not None:
        raise SystemExit(
            f"{folder}: the recipe uses shortlists; give a run of a recipe without, such as joint."
        )
    scoring = model.trees[0].shortlister
    return scoring.vectors, Embeddings(data.test.features[:num_points]).encode(scoring.encoder)


def ask(points: NDArray[np.float32], search: Callable[[NDArray[np.float32]], NDArray]) -> Found:
    """Search for each point separately, after one warm-up search for the first point."""
    found: list[NDArray] = []
    search(points[:1])
    took = [timed(lambda row=row: found.append(search(points[row : row + 1]))) for row in range(len(points))]
    return Found(np.concatenate(found).astype(np.int64), took)


def recall(found: Labels, exact: Labels, k: int) -> float:
    """Return the share of the exact k best labels that the search found."""
    hits = (found[:, :k, None] == exact[:, None, :k]).any(axis=1)
    return float(hits.mean())


def row(name: str, found: Found, exact: Labels) -> str:
    """Return one row of the table."""
    wall, cpu = (1e3 * median(column) for column in zip(*found.took, strict=True))
    shares = " | ".join(f"{100 * recall(found.labels, exact, k):.1f}" for k in KS)
    return f"| {name} | {wall:.2f} | {cpu:.2f} | {shares} |\n"


def main() -> None:
    """Measure one run and print a Markdown table."""
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
        f"| search | ms | CPU ms | {' | '.join(f'R@{k}' for k in KS)} |\n|---|---|---|{'---|' * len(KS)}\n"
        + row("exact", exact, exact.labels)
    )
    start = Took.now()
    index = HnswRetrieval().link(torch.from_numpy(vectors))
    linking = Took.now().since(start)
    for width in WIDTHS:
        index.hnsw.efSearch = width
        found = ask(points, lambda point: index.search(point, max(KS))[1])
        sys.stdout.write(row(f"HNSW, width {width}", found, exact.labels))
    sys.stdout.write(f"\nBuilding the HNSW index took {linking}.\n")


if __name__ == "__main__":
    main()
