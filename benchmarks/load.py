"""Measure requests per second and latency of a server for different numbers of concurrent clients.

    python -m benchmarks.load --model FOLDER           # from xcgraph-export; queries: --texts FILE
    python -m benchmarks.load                          # random vectors with the sizes of LF-WordNet-8K

The benchmark starts one server process per batching setting on the loopback interface. Every client keeps one
connection and requests the labels of one text at a time. Clients write and parse HTTP by hand to leave the
cores to the server. A random model has the sizes of a trained model; its texts are random words. CPU time per
request is summed over the threads of the server; it is the steadier number on a shared machine.
"""

import argparse
import asyncio
import contextlib
import json
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.latency import random_model
from xcgraph.predict.folder import save_model
from xcgraph.text.fitted_vectorizer import FittedVectorizer

SETTINGS = {
    "one by one": ("--batch-size", "1", "--gather-ms", "0"),
    "waiting requests in one batch": (),
    "in one batch after waiting 2 ms": ("--gather-ms", "2"),
}
_SIZES = {"labels": 8_436, "meta_labels": 4_096, "dim": 256, "tokens": 20_000, "beam": 100, "trees": 1}
_WORDS_PER_TEXT = 10
_CPU = re.compile(r"^process_cpu_seconds_total (\S+)$", re.MULTILINE)
_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


@contextlib.contextmanager
def serving(model: Path, settings: Sequence[str]) -> Iterator[int]:
    """Serve a model in a separate process and yield its port."""
    command = [sys.executable, "-m", "xcgraph.cli.serve", str(model), "--port", "0", *settings]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            found = re.search(r"http://[^/]*:(\d+)/", process.stdout.readline())
            if found is None:
                raise RuntimeError("The server did not start; see its message above.")
            yield int(found[1])
        finally:
            process.terminate()


def request(text: str, top_k: int) -> bytes:
    """Return the bytes of an HTTP request for the labels of one text."""
    body = json.dumps({"inputs": [text], "top_k": top_k}).encode()
    head = f"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"Content-Type: application/json\r\n\r\n" + body


async def ask(port: int, requests: Iterator[bytes], until: float) -> list[float]:
    """Send one request after the other as one client, and return the seconds of each."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    seconds = []
    while (started := time.perf_counter()) < until:
        writer.write(next(requests))
        head = await reader.readuntil(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if not head.startswith(b"HTTP/1.1 200") or length is None:
            raise RuntimeError(f"The server must answer with status 200, got {head!r}.")
        await reader.readexactly(int(length[1]))
        seconds.append(time.perf_counter() - started)
    writer.close()
    return seconds


async def load(port: int, requests: Sequence[bytes], clients: int, seconds: float) -> list[float]:
    """Run clients for some seconds, each from another first request; return the seconds of all requests."""

    def turns(client: int) -> Iterator[bytes]:
        place = client * len(requests) // clients
        while True:
            yield requests[place % len(requests)]
            place += 1

    until = time.perf_counter() + seconds
    asked = await asyncio.gather(*(ask(port, turns(client), until) for client in range(clients)))
    return [each for times in asked for each in times]


def cpu_seconds(port: int) -> float:
    """Return the CPU time that the server reports for its process."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as page:
        return float(_CPU.search(page.read().decode())[1])


def save_random_model(folder: Path, rng: np.random.Generator) -> list[str]:
    """Write a random model that reads text, and return query texts for it."""
    model = random_model(argparse.Namespace(**_SIZES))
    words = tuple(f"word{number}" for number in range(model.num_tokens))
    vectorizer = FittedVectorizer(words, np.ones(len(words), np.float32))
    names = tuple(f"label {number}" for number in range(model.num_labels))
    save_model(replace(model, vocabulary=words, vectorizer=vectorizer, label_names=names), folder)
    picked = rng.integers(0, len(words), (1000, _WORDS_PER_TEXT))
    return [" ".join(words[word] for word in row) for row in picked.tolist()]


def measured(port: int, requests: Sequence[bytes], clients: int, seconds: float) -> str:
    """Put load on a server and return the numbers of one table row."""
    cpu_before, started = cpu_seconds(port), time.perf_counter()
    times = np.array(asyncio.run(load(port, requests, clients, seconds)))
    rate = len(times) / (time.perf_counter() - started)
    p50, p99 = 1e3 * np.percentile(times, [50, 99])
    cpu = 1e3 * (cpu_seconds(port) - cpu_before) / len(times)
    return f"{rate:,.0f} | {p50:.1f} | {p99:.1f} | {cpu:.2f}"


def measure(model: Path, texts: Sequence[str], options: argparse.Namespace) -> None:
    """Print one row per batching setting and number of clients."""
    requests = [request(text, options.top_k) for text in texts]
    sys.stdout.write("| batching | clients | requests/s | p50 ms | p99 ms | CPU ms |\n")
    sys.stdout.write("|---|---|---|---|---|---|\n")
    for name, settings in SETTINGS.items():
        with serving(model, settings) as port:
            asyncio.run(load(port, requests, 1, min(1.0, options.seconds)))
            for clients in options.clients:
                row = measured(port, requests, clients, options.seconds)
                sys.stdout.write(f"| {name} | {clients} | {row} |\n")
                sys.stdout.flush()


def main() -> None:
    """Measure one model and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--model", metavar="FOLDER", help="model from xcgraph-export (default: a random model)"
    )
    parser.add_argument("--texts", metavar="FILE", help="query texts, one per line; required with --model")
    parser.add_argument(
        "--clients", type=int, nargs="+", default=[1, 4, 16, 64], metavar="N", help="numbers of clients"
    )
    parser.add_argument("--seconds", type=float, default=5.0, help="per row (default: 5)")
    parser.add_argument("--top-k", type=int, default=5, help="labels per text (default: 5)")
    options = parser.parse_args()
    if (options.model is None) != (options.texts is None):
        parser.error("--model and --texts must be given together")
    with tempfile.TemporaryDirectory() as scratch:
        if options.model is None:
            model = Path(scratch) / "model"
            texts = save_random_model(model, np.random.default_rng(1))
        else:
            model, texts = Path(options.model), Path(options.texts).read_text("utf-8").splitlines()
        measure(model, texts, options)


if __name__ == "__main__":
    main()
