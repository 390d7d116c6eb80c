"""Train and measure one library in its own environment, which has only numpy, scipy and the library."""

import argparse
import json
import sys
from pathlib import Path
from typing import Protocol

import numpy as np
from scipy.sparse import csr_matrix, save_npz

from benchmarks.clock import Spread, latency, peak_memory_gib, repeat, timed


class Peer(Protocol):
    """A library under test."""

    def fit(self, features: csr_matrix, labels: csr_matrix, threads: int) -> None:
        """Train with (points, tokens) features and (points, labels) targets."""

    def load(self, folder: Path) -> None:
        """Load the model in its fastest form for one thread; ``folder`` is for temporary files."""

    def predict(self, features: csr_matrix, top_k: int) -> csr_matrix:
        """Return (points, labels) scores of the ``top_k`` best labels of each point."""


def read_rows(path: Path) -> csr_matrix:
    """Read a file of the split layout: first ``rows columns``, then ``index:value …`` for each row."""
    with path.open(encoding="utf-8") as file:
        shape = tuple(map(int, next(file).split()))
        rows = [line.split() for line in file]
    entries = [entry.partition(":") for row in rows for entry in row]
    columns = np.array([int(column) for column, _, _ in entries], np.int32)
    values = np.array([float(value) for _, _, value in entries], np.float32)
    starts = np.concatenate([[0], np.cumsum([len(row) for row in rows])])
    return csr_matrix((values, columns, starts), shape=shape)


def main(peer: Peer) -> None:
    """Train, predict in one batch and one by one, and print the costs as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path, help="folder in the split layout")
    parser.add_argument("scores", type=Path, help="output file for the scores of the test points")
    parser.add_argument("--threads", type=int, required=True, help="training threads; prediction uses one")
    parser.add_argument("--top-k", type=int, required=True, help="predicted labels per point")
    parser.add_argument("--runs", type=int, required=True, help="timed predictions of all test points")
    parser.add_argument("--queries", type=int, required=True, help="single queries, including the warm-up")
    options = parser.parse_args()
    features, labels, queries = (
        read_rows(options.data / name) for name in ("trn_X_Xf.txt", "trn_X_Y.txt", "tst_X_Xf.txt")
    )
    training = timed(lambda: peer.fit(features, labels, options.threads))
    training_gib = peak_memory_gib()
    peer.load(options.scores.parent)
    save_npz(options.scores, peer.predict(queries, options.top_k))
    batches = repeat(lambda: peer.predict(queries, options.top_k), options.runs, warm_ups=0)
    single = [queries[place] for place in range(min(options.queries, queries.shape[0]))]
    found = {
        "training": training._asdict(),
        "training_gib": training_gib,
        "predict_ms_per_point": Spread.of(
            [1e3 * took.seconds / queries.shape[0] for took in batches]
        )._asdict(),
        "single_query": latency(
            (lambda row=row: peer.predict(row, options.top_k) for row in single),
            warm_ups=min(50, len(single) // 2),
        ),
        "peak_gib": peak_memory_gib(),
    }
    sys.stdout.write(json.dumps(found) + "\n")
