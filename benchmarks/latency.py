"""Measure prediction time on one thread, in batches and for one point at a time.

    python -m benchmarks.latency --model FOLDER        # from xcgraph-export; queries: --texts FILE
    python -m benchmarks.latency                       # random vectors with the sizes of LF-AmazonTitles-131K

Wall time is the time that a caller waits. CPU time is the time that the process computes; it is the steadier
number on a shared machine. A random model has the sizes of a trained one; its predictions are meaningless.
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from scipy.sparse import csr_array

from benchmarks.clock import timed
from xcgraph.predict.folder import load_model
from xcgraph.predict.model import PointEncoder, PortableMember, PortableModel, Scoring
from xcgraph.predict.predictor import Predictor


def random_graph(rng: np.random.Generator, size: int, neighbors: int) -> csr_array:
    """Return a graph in which each row has ``neighbors`` random neighbours of equal weight."""
    indices = rng.integers(0, size, size * neighbors).astype(np.int32)
    weights = np.full(len(indices), 1 / neighbors, np.float32)
    return csr_array((weights, indices, np.arange(0, len(indices) + 1, neighbors)), shape=(size, size))


def random_model(options: argparse.Namespace) -> PortableModel:
    """Return a model of random vectors whose trees share token embeddings, as in a trained model."""
    rng = np.random.default_rng(0)
    labels, metas, dim = options.labels, options.meta_labels, options.dim

    def vectors(count: int) -> np.ndarray:
        return rng.standard_normal((count, dim), dtype=np.float32)

    embedding, graph = vectors(options.tokens), random_graph(rng, labels, 10)

    def scoring(count: int, edges: csr_array, top_k: int) -> Scoring:
        return Scoring(
            encoder=PointEncoder(
                embedding=embedding,
                weight=vectors(dim) / dim,
                bias=np.zeros(dim, np.float32),
                activation="relu",
            ),
            vectors=vectors(count) / np.float32(dim**0.5),
            bias=-3.0,
            link="logistic",
            graph=edges,
            game_mix=0.5,
            top_k=top_k,
        )

    def tree() -> PortableMember:
        starts = np.linspace(0, labels, metas + 1).astype(np.int64)
        members = csr_array(
            (np.ones(labels, np.float32), rng.permutation(labels).astype(np.int32), starts),
            shape=(metas, labels),
        )
        return PortableMember(
            shortlister=scoring(metas, random_graph(rng, metas, 10), options.beam),
            members=members,
            ranker=scoring(labels, graph, 100),
            views=(),
            shares=np.empty((labels, 0), np.float32),
        )

    return PortableModel(data="random", trees=tuple(tree() for _ in range(options.trees)))


def random_points(rng: np.random.Generator, count: int, tokens: int) -> csr_array:
    """Return points of ten random tokens each, with unit norm."""
    weights = np.full(count * 10, 10**-0.5, np.float32)
    indices = rng.integers(0, tokens, count * 10)
    return csr_array((weights, indices, np.arange(0, count * 10 + 1, 10)), shape=(count, tokens))


def milliseconds(calls: list[Callable[[], object]]) -> np.ndarray:
    """Run all calls and return a (calls, 2) array: milliseconds of wall and CPU time."""
    return 1e3 * np.array([timed(call) for call in calls])


def report(name: str, times: np.ndarray) -> None:
    """Print table rows with the percentiles of wall and CPU times."""
    for kind, column in zip(("wall", "CPU"), times.T, strict=True):
        p50, p90, p99 = np.percentile(column, [50, 90, 99])
        sys.stdout.write(f"| {name} | {kind} | {p50:.3f} | {p90:.3f} | {p99:.3f} | {column.min():.3f} |\n")


def measure(predictor: Predictor, points: csr_array, texts: list[str], options: argparse.Namespace) -> None:
    """Measure single points, single texts and batches, and print one table."""
    singles = [points[[row]] for row in range(min(options.queries, points.shape[0]))]
    rows = np.arange(options.batch)
    starts = range(options.batches)
    batches = [points[(rows + start * options.batch) % points.shape[0]] for start in starts]
    for warm_up in (singles[0], batches[0]):
        predictor.predict(warm_up, top_k=options.top_k)
    sys.stdout.write("| | | p50 | p90 | p99 | min |\n|---|---|---|---|---|---|\n")
    single = milliseconds([lambda point=point: predictor.predict(point, options.top_k) for point in singles])
    report("one point, ms", single)
    if texts:
        single = milliseconds([lambda text=text: predictor.predict([text], options.top_k) for text in texts])
        report("one text, ms", single)
    batch = milliseconds(
        [lambda points=points: predictor.predict(points, options.top_k) for points in batches]
    )
    report(f"batch of {options.batch} points, ms/point", batch / options.batch)


def main() -> None:
    """Measure one model and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--model", metavar="FOLDER", help="model from xcgraph-export (default: a random model)"
    )
    parser.add_argument("--texts", metavar="FILE", help="queries for a model that reads text, one per line")
    sizes = {"labels": 131_073, "meta-labels": 32_768, "dim": 256, "tokens": 40_000, "beam": 50, "trees": 1}
    load = {"queries": 1000, "batch": 256, "batches": 12, "top-k": 5}
    for name, default in {**sizes, **load}.items():
        parser.add_argument(f"--{name}", type=int, default=default, help=f"(default: {default})")
    options = parser.parse_args()
    torch.set_num_threads(1)
    started = time.perf_counter()
    model = load_model(Path(options.model)) if options.model else random_model(options)
    predictor = Predictor(model)
    scoring = model.trees[0].shortlister
    sys.stdout.write(
        f"{model.data}: {len(model.trees)} tree(s), {model.num_labels:,} labels, {len(scoring.vectors):,} "
        f"meta-labels, {scoring.vectors.shape[1]} dimensions, beam {scoring.top_k}; ready after "
        f"{time.perf_counter() - started:.1f} s\n\n"
    )
    lines = Path(options.texts).read_text("utf-8").splitlines()[: options.queries] if options.texts else []
    if model.vectorizer is not None and lines:
        points = model.vectorizer.transform(lines)
    else:
        points = random_points(np.random.default_rng(1), max(options.queries, 1024), model.num_tokens)
    measure(predictor, points, lines if model.vectorizer is not None else [], options)


if __name__ == "__main__":
    main()
