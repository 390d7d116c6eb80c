"""Load on a server: requests/s, and how long they take, against the number of clients at a time.

    python -m benchmarks.load --model FOLDER           # of xcgraph-export; --texts FILE sends lines of a file
    python -m benchmarks.load                          # random vectors at the size of LF-WordNet-8K

A server process for each way to gather requests listens on loopback; every client keeps one connection and
asks for the labels of one text at a time. Clients write and read HTTP themselves, to leave the cores to the
server. A random model has the sizes of a trained one, and texts of random words. CPU time is what the server
worked for a request, all its threads: on a machine that others use too, it is the steadier number.
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
    "alone": ("--batch-size", "1", "--gather-ms", "0"),
    "those that wait, together": (),
    "and 2 ms for others": ("--gather-ms", "2"),
}
_SIZES = {"labels": 8_436, "meta_labels": 4_096, "dim": 256, "tokens": 20_000, "beam": 100, "trees": 1}
_WORDS_PER_TEXT = 10
_CPU = re.compile(r"^process_cpu_seconds_total (\S+)$", re.MULTILINE)
_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


@contextlib.contextmanager
def serving(model: Path, settings: Sequence[str]) -> Iterator[int]:
    """Serve a model in a process of its own, and give the port."""
    command = [sys.executable, "-m", "xcgraph.cli.serve", str(model), "--port", "0", *settings]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            found = re.search(r"http://[^/]*:(\d+)/", process.stdout.readline())
            if found is None:
                raise RuntimeError("The server did not start; it says why above.")
            yield int(found[1])
        finally:
            process.terminate()


def request(text: str, top_k: int) -> bytes:
    """Write a request for the labels of one text."""
    body = json.dumps({"inputs": [text], "top_k": top_k}).encode()
    head = f"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"Content-Type: application/json\r\n\r\n" + body


async def ask(port: int, requests: Iterator[bytes], until: float) -> list[float]:
    """Be one client: send request after request, and return the seconds that each took."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    seconds = []
    while (started := time.perf_counter()) < until:
        writer.write(next(requests))
        head = await reader.readuntil(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if not head.startswith(b"HTTP/1.1 200") or length is None:
            raise RuntimeError(f"expected an answer, found {head!r}")
        await reader.readexactly(int(length[1]))
        seconds.append(time.perf_counter() - started)
    writer.close()
    return seconds


async def load(port: int, requests: Sequence[bytes], clients: int, seconds: float) -> list[float]:
    """Let so many clients ask for so long, each from another request on; the seconds of all requests."""

    def turns(client: int) -> Iterator[bytes]:
        place = client * len(requests) // clients
        while True:
            yield requests[place % len(requests)]
            place += 1

    until = time.perf_counter() + seconds
    asked = await asyncio.gather(*(ask(port, turns(client), until) for client in range(clients)))
    return [each for times in asked for each in times]


def cpu_seconds(port: int) -> float:
    """Ask a server how long its process has worked."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as page:
        return float(_CPU.search(page.read().decode())[1])


def save_random_model(folder: Path, rng: np.random.Generator) -> list[str]:
    """Write a random model that reads text, and return texts for it."""
    model = random_model(argparse.Namespace(**_SIZES))
    words = tuple(f"word{number}" for number in range(model.num_tokens))
    vectorizer = FittedVectorizer(words, np.ones(len(words), np.float32))
    names = tuple(f"label {number}" for number in range(model.num_labels))
    save_model(replace(model, vocabulary=words, vectorizer=vectorizer, label_names=names), folder)
    picked = rng.integers(0, len(words), (1000, _WORDS_PER_TEXT))
    return [" ".join(words[word] for word in row) for row in picked.tolist()]


def measured(port: int, requests: Sequence[bytes], clients: int, seconds: float) -> str:
    """Load a server, and return the row's figures."""
    worked, started = cpu_seconds(port), time.perf_counter()
    times = np.array(asyncio.run(load(port, requests, clients, seconds)))
    rate = len(times) / (time.perf_counter() - started)
    p50, p99 = 1e3 * np.percentile(times, [50, 99])
    cpu = 1e3 * (cpu_seconds(port) - worked) / len(times)
    return f"{rate:,.0f} | {p50:.1f} | {p99:.1f} | {cpu:.2f}"


def measure(model: Path, texts: Sequence[str], options: argparse.Namespace) -> None:
    """Print a row per way to gather requests and number of clients."""
    requests = [request(text, options.top_k) for text in texts]
    sys.stdout.write("| predicted | clients | requests/s | p50, ms | p99, ms | CPU, ms |\n")
    sys.stdout.write("|---|---|---|---|---|---|\n")
    for name, settings in SETTINGS.items():
        with serving(model, settings) as port:
            asyncio.run(load(port, requests, 1, min(1.0, options.seconds)))
            for clients in options.clients:
                row = measured(port, requests, clients, options.seconds)
                sys.stdout.write(f"| {name} | {clients} | {row} |\n")
                sys.stdout.flush()


def main() -> None:
    """Measure one model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", metavar="FOLDER", help="of xcgraph-export; a random model without it")
    parser.add_argument("--texts", metavar="FILE", help="lines to send; needed with --model")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 4, 16, 64], metavar="N")
    parser.add_argument("--seconds", type=float, default=5.0, help="per row (default: 5)")
    parser.add_argument("--top-k", type=int, default=5, help="labels per text (default: 5)")
    options = parser.parse_args()
    if (options.model is None) != (options.texts is None):
        parser.error("--model and --texts belong together")
    with tempfile.TemporaryDirectory() as scratch:
        if options.model is None:
            model = Path(scratch) / "model"
            texts = save_random_model(model, np.random.default_rng(1))
        else:
            model, texts = Path(options.model), Path(options.texts).read_text("utf-8").splitlines()
        measure(model, texts, options)


if __name__ == "__main__":
    main()
