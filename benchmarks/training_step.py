"""Profile a training step of one of the three trained modules of ECLARE.

    OMP_NUM_THREADS=1 python -m benchmarks.training_step ranker --labels 131072

Points and labels are random rows with the sizes of LF-AmazonTitles-131K, and no module is trained before. The
beam of a point has the meta-labels of its topic and random meta-labels, so that a batch uses most of the
labels. Times are CPU time on one thread, because other programs disturb CPU time less than wall time.
"""

import argparse
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import cycle
from statistics import median
from typing import NamedTuple

import numpy as np
import torch
from scipy.sparse import csr_array
from torch.profiler import ProfilerActivity, profile

from benchmarks.clock import peak_memory_gib, repeat
from benchmarks.process import markdown, say_line
from xcgraph.batch import XCBatch
from xcgraph.data.batching import AllLabelsDataset
from xcgraph.data.shortlists import ShortlistDataset
from xcgraph.data.xc_data import NO_PAIRS, Split
from xcgraph.memory import keep_freed_memory
from xcgraph.nn.encoder import BagOfTokens
from xcgraph.nn.fusion import AttentionFusion
from xcgraph.nn.label_graph import Propagation
from xcgraph.nn.likelihood import Logistic
from xcgraph.nn.refinement import RefinementVectors
from xcgraph.optim import SparseDenseAdam
from xcgraph.tasks.label_network import LabelInputs, LabelNetwork
from xcgraph.tasks.xc_task import XCTask

STAGES = ("surrogate", "shortlister", "ranker")
_TOKENS, _BATCH, _BEAM, _MEMBERS, _TOPIC = 40_000, 1024, 50, 4, 128
_OTHERS = "elementwise and other"
KINDS = {
    "matrix products": ("mm", "addmm", "addmm_", "bmm", "baddbmm", "mkldnn_linear"),
    "gathers and sums of rows": (
        *("index", "index_select", "index_copy_", "gather", "scatter_add_", "embedding", "_coalesce"),
        *(
            "_embedding_bag",
            "_embedding_bag_forward_only",
            "_embedding_bag_dense_backward",
            "_index_put_impl_",
        ),
    ),
    "copies and zeros": ("cat", "stack", "copy_", "fill_", "zero_"),
}


class Setting(NamedTuple):
    """A task and its training batches."""

    task: XCTask
    batches: Sequence[XCBatch]


def setting(stage: str, labels: int, dim: int = 256) -> Setting:
    """Build the task of a stage and batches of random rows.

    Args:
        stage: one of ``STAGES``.
        labels: number of labels, a multiple of 128.
        dim: length of the vectors.
    """
    torch.manual_seed(0)
    draw, metas, points = np.random.default_rng(0), labels // _MEMBERS, 4 * _BATCH
    tasks = LabelNetwork(
        encoder=partial(BagOfTokens, dim=dim),
        propagation=Propagation(1),
        fusion=partial(AttentionFusion, dropout=0.0),
        refinement=RefinementVectors,
        label_dropout=0.0,
        surrogate_fusion=partial(AttentionFusion, dropout=0.0),
    )
    if stage == "ranker":
        parts = LabelInputs(_rows(draw, labels, 7, _TOKENS), _rows(draw, labels, 5, labels))
    else:
        parts = LabelInputs(_rows(draw, metas, 28, _TOKENS), _rows(draw, metas, 10, metas))
    learned = tasks.surrogate if stage == "surrogate" else tasks
    encoder = None if stage == "surrogate" else BagOfTokens(_TOKENS, dim=dim)
    task = learned.build(parts, 1e-3, encoder)
    targets = _targets(draw, stage == "ranker", labels, points)
    return Setting(task.train(), [targets[rows] for rows in draw.permutation(points).reshape(-1, _BATCH)])


def _targets(draw: np.random.Generator, shortlisted: bool, labels: int, points: int) -> AllLabelsDataset:
    texts, topics = _rows(draw, points, 7, _TOKENS), draw.integers(0, labels // _TOPIC, points)[:, None]
    metas, columns = labels // _MEMBERS, topics * _TOPIC + draw.integers(0, _TOPIC, (points, 2))
    if not shortlisted:
        return AllLabelsDataset(Split(texts, _matrix(columns // _MEMBERS, metas), NO_PAIRS))
    own = topics * (_TOPIC // _MEMBERS) + np.arange(_TOPIC // _MEMBERS)
    beams = np.concatenate([own, draw.integers(0, metas, (points, _BEAM - own.shape[1]))], axis=1)
    members = _matrix(np.arange(labels).reshape(metas, _MEMBERS), labels)
    split = Split(texts, _matrix(columns, labels), NO_PAIRS)
    return ShortlistDataset(split, beams.astype(np.int32), np.zeros(beams.shape, np.float32), members)


def _rows(draw: np.random.Generator, count: int, length: int, columns: int) -> csr_array:
    return _matrix(draw.integers(0, columns, (count, length)), columns)


def _matrix(columns: np.ndarray, width: int) -> csr_array:
    count, length = columns.shape
    offsets = np.arange(0, count * length + 1, length)
    matrix = csr_array((np.ones(columns.size, np.float32), columns.ravel(), offsets), shape=(count, width))
    matrix.sum_duplicates()
    return matrix


def steps(found: Setting, device: str = "cpu") -> Iterator[None]:
    """Take one training step per iteration on a device, including the transfer of the batch."""
    task = found.task.to(device)
    optimizer = SparseDenseAdam(task, lr=0.005)
    for batch in cycle(found.batches):
        moved = batch.to(device, non_blocking=True)
        optimizer.zero_grad()
        Logistic().loss(task(moved), moved.positives).backward()
        optimizer.step()
        yield


def shares(training: Iterator[None], count: int) -> dict[str, float]:
    """Profile some steps and return the share of CPU time by kind of operation."""
    with profile(activities=[ProfilerActivity.CPU]) as found:
        for _ in range(count):
            next(training)
    times = dict.fromkeys((*KINDS, _OTHERS), 0.0)
    for event in found.key_averages():
        name = event.key.removeprefix("aten::")
        times[next((kind for kind, names in KINDS.items() if name in names), _OTHERS)] += (
            event.self_cpu_time_total
        )
    return {kind: time / sum(times.values()) for kind, time in times.items()}


def main() -> None:
    """Measure one stage and print a Markdown table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.training_step",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("stage", choices=STAGES)
    parser.add_argument("--labels", type=int, default=131_072, help="number of labels (default: 131072)")
    parser.add_argument("--steps", type=int, default=5, help="timed steps after one warm-up (default: 5)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_float32_matmul_precision("medium")
    keep_freed_memory(large=True)  # as a training stage does
    training = steps(setting(options.stage, options.labels))
    took = [1000 * one.cpu_seconds for one in repeat(lambda: next(training), options.steps)]
    peak, found = f"{peak_memory_gib():.2f}", shares(training, 2)
    spread = f"{median(took):,.0f}", f"{min(took):,.0f} – {max(took):,.0f}"
    header = ("stage", "CPU ms", "min – max", "peak memory (GiB)", *found)
    say_line(
        markdown(header, [(options.stage, *spread, peak, *(f"{share:.0%}" for share in found.values()))])
    )


if __name__ == "__main__":
    main()
