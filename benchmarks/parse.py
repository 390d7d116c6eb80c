"""Measure the speed and memory of reading sparse text, and compare with scikit-learn (Linux only).

    OMP_NUM_THREADS=1 NUMBA_NUM_THREADS=1 .venv/bin/python -m benchmarks.parse

The benchmark writes a file that looks like TF-IDF features: rows of 80 entries with indices below 400,000 and
six decimals. Every time is the median of three runs on one core, with the file in the page cache. Rates use
CPU time, because other programs disturb CPU time less than wall time.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array
from sklearn.datasets import load_svmlight_file

from benchmarks.clock import peak_memory_gib, repeat
from xcgraph.formats.canonicalize import canonicalize_rows
from xcgraph.formats.lines import read_chunks
from xcgraph.formats.parse import parse_rows
from xcgraph.formats.sparse_text import read_rows
from xcgraph.formats.write import RowsWriter
from xcgraph.storage.artifacts import ArtifactStore

COLUMNS, ENTRIES_PER_ROW, ROWS_PER_BLOCK = 400_000, 80, 5_000
BYTES_PER_ROW = 1_150
REPEATS = 3


class Measurement(NamedTuple):
    """One row of the table.

    Attributes:
        what: name of the measured task.
        megabytes: size of the file in 10⁶ bytes.
        seconds: median wall time, or None if memory was measured.
        cpu_seconds: median CPU time, or None if memory was measured.
        peak_megabytes: peak memory of the process in 10⁶ bytes, or None if time was measured.
    """

    what: str
    megabytes: float
    seconds: float | None = None
    cpu_seconds: float | None = None
    peak_megabytes: float | None = None


def measure(folder: Path, megabytes: int) -> list[Measurement]:
    """Measure with a file of ``megabytes`` and, for memory, with a file of a quarter of that size."""
    small, large = (make_file(folder / f"{size}.txt", size) for size in (megabytes // 4, megabytes))
    labelled = with_labels(large, folder / "labelled.txt")
    found = [
        Measurement("peak memory: imports alone", 0, peak_megabytes=peak_memory()),
        *(
            Measurement(
                "peak memory: file to memory-mapped rows", size(file), peak_megabytes=peak_memory(file)
            )
            for file in (small, large)
        ),
    ]
    caches = (ArtifactStore(folder / f"cache-{number}") for number in range(REPEATS + 1))
    full = ArtifactStore(folder / "cache")
    matrix = read_rows(large, full)
    expected = load_labelled(labelled)
    if (matrix != expected).nnz:
        raise AssertionError("scikit-learn and xcgraph read different entries.")
    del expected
    tasks = {
        "file to memory-mapped rows (hash, parse, store)": lambda: read_rows(large, next(caches)),
        "parse alone": lambda: parse_alone(large),
        "memory-mapped rows from the cache (hash, check)": lambda: read_rows(large, full),
        "scikit-learn's load_svmlight_file": lambda: load_labelled(labelled),
    }
    for what, task in tasks.items():
        clock, cpu = zip(*repeat(task, REPEATS, warm_ups=0), strict=True)
        found.append(Measurement(what, size(large), seconds=median(clock), cpu_seconds=median(cpu)))
    return found


def make_file(path: Path, megabytes: int) -> Path:
    """Write a file of random rows, block by block."""
    num_blocks = -(-megabytes * 1_000_000 // (BYTES_PER_ROW * ROWS_PER_BLOCK))
    with RowsWriter(path, rows=num_blocks * ROWS_PER_BLOCK, columns=COLUMNS) as writer:
        for block in random_blocks(num_blocks):
            writer.append(block)
    return path


def random_blocks(num_blocks: int) -> Iterator[csr_array]:
    """Yield blocks of random rows with sorted, distinct indices: one index per equal range of columns."""
    rng = np.random.default_rng(0)
    width = COLUMNS // ENTRIES_PER_ROW
    shape = (ROWS_PER_BLOCK, ENTRIES_PER_ROW)
    indptr = np.arange(0, ROWS_PER_BLOCK * ENTRIES_PER_ROW + 1, ENTRIES_PER_ROW)
    for _ in range(num_blocks):
        indices = np.arange(ENTRIES_PER_ROW) * width + rng.integers(0, width, shape)
        values = rng.integers(1, 1_000_000, shape) / 1e6
        yield csr_array(
            (values.ravel().astype(np.float32), indices.ravel(), indptr), shape=(ROWS_PER_BLOCK, COLUMNS)
        )


def with_labels(source: Path, target: Path) -> Path:
    """Copy the rows into scikit-learn's format: no header, and a label before each row."""
    with source.open("rb") as rows, target.open("wb") as file:
        next(rows)
        for row in rows:
            file.write(b"0 " + row)
    return target


def load_labelled(path: Path) -> csr_array:
    """Read rows with scikit-learn."""
    matrix, _ = load_svmlight_file(str(path), n_features=COLUMNS, dtype=np.float32, zero_based=True)
    return csr_array(matrix)


def parse_alone(path: Path) -> None:
    """Read, parse and canonicalize a file without storing the result."""
    for chunk in read_chunks(path):
        text = chunk.text.partition(b"\n")[2] if chunk.first_line == 1 else chunk.text
        (entries,) = parse_rows(text, COLUMNS)
        canonicalize_rows(entries, "sum")


def size(path: Path) -> float:
    """Return the size of a file in 10⁶ bytes."""
    return path.stat().st_size / 1e6


def peak_memory(source: Path | None = None) -> float:
    """Convert a file in a separate process and return its peak memory in 10⁶ bytes."""
    with tempfile.TemporaryDirectory(dir=source.parent if source else None) as cache:
        command = [
            sys.executable,
            "-m",
            "benchmarks.parse",
            "--convert-into",
            cache,
            *([str(source)] if source else []),
        ]
        return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def convert_and_measure_peak(source: Path | None, cache: Path) -> float:
    """Convert a file, if one is given, and return the peak memory of this process in 10⁶ bytes."""
    if source:
        read_rows(source, ArtifactStore(cache))
    return peak_memory_gib() * 2**30 / 1e6


def table(measurements: list[Measurement]) -> str:
    """Return a Markdown table; all measurements are compared with the last one, scikit-learn."""
    peer = measurements[-1].cpu_seconds
    lines = [
        "| task | MB | s | CPU s | MB per CPU s | × scikit-learn | peak MB |",
        "|---|---|---|---|---|---|---|",
    ]
    for one in measurements:
        cells = ["", "", "", "", f"{one.peak_megabytes:.0f}" if one.peak_megabytes else ""]
        if one.seconds and one.cpu_seconds and peer:
            rate, ratio = one.megabytes / one.cpu_seconds, peer / one.cpu_seconds
            cells = [f"{one.seconds:.2f}", f"{one.cpu_seconds:.2f}", f"{rate:.0f}", f"{ratio:.1f}", ""]
        lines.append(f"| {' | '.join([one.what, f'{one.megabytes:.0f}', *cells])} |")
    return "\n".join(lines)


def main() -> list[Measurement]:
    """Print the table and return the measurements."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--megabytes", type=int, default=500, help="size of the file (default: 500)")
    parser.add_argument(
        "--folder", type=Path, help="where to write the file (default: the system's temporary folder)"
    )
    parser.add_argument("--convert-into", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("source", nargs="?", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.convert_into:
        sys.stdout.write(f"{convert_and_measure_peak(options.source, options.convert_into)}\n")
        return []
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        measurements = measure(Path(folder), options.megabytes)
    sys.stdout.write(f"{table(measurements)}\n")
    return measurements


if __name__ == "__main__":
    main()
