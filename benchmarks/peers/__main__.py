"""Measure other libraries on a data set and print the result as JSON."""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import venv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.process import circumstances, compose_run, note, say
from xcgraph.cli.evaluate_job import Evaluation
from xcgraph.data.datamodule import XCDataModule
from xcgraph.errors import UserError

ROOT = Path(__file__).parents[2]
ENVIRONMENTS = ROOT / "benchmarks" / "out" / "environments"


@dataclass(frozen=True)
class Library:
    """A peer.

    Attributes:
        title: in tables.
        module: what runs in its environment.
        wheels: what is installed there without what it asks for: libpecos asks for torch with CUDA and four
            more, none of which XR-Linear uses.
        packages: what is installed there with all that it asks for.
    """

    title: str
    module: str
    wheels: tuple[str, ...]
    packages: tuple[str, ...]


PEERS = {
    "pecos": Library(
        "PECOS XR-Linear",
        "benchmarks.peers.pecos",
        ("libpecos==1.2.8",),
        ("numpy==1.26.4", "scipy==1.13.1", "scikit-learn==1.5.2"),
    ),
    "napkinxc": Library("napkinXC PLT", "benchmarks.peers.napkinxc", (), ("napkinxc==0.7.2", "scipy>=1.13")),
}


def environment(library: Library, folder: Path) -> Path:
    """Return the Python of a library's environment, making it if that has not been done yet.

    Raises:
        UserError: a package could not be installed; nothing of the environment is left.
    """
    marker, wanted = folder / "installed.json", json.dumps([library.wheels, library.packages])
    python = folder / "bin" / "python"
    if marker.exists() and marker.read_text("utf-8") == wanted:
        return python
    note(f"{library.title}: making its environment in {folder}")
    shutil.rmtree(folder, ignore_errors=True)
    try:
        venv.create(folder, with_pip=True)
        for options, names in (((), library.packages), (("--no-deps",), library.wheels)):
            if names:
                _install(python, [*options, *names])
        marker.write_text(wanted, "utf-8")
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return python


def _install(python: Path, arguments: Sequence[str]) -> None:
    command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr.strip() or "pip said nothing").splitlines()[-1]
        raise UserError(
            f"Could not install {' '.join(arguments)} ({last}): a package index must be in reach and have it "
            f"for Python {sys.version_info.major}.{sys.version_info.minor}; leave it out with --peers."
        )


def convert(source: str, folder: Path) -> Path:
    """Export a data set as ``xcgraph-data convert`` does."""
    command = Path(sys.executable).with_name("xcgraph-data")
    subprocess.run([command, "convert", source, folder, "--layout", "split"], check=True, stdout=sys.stderr)
    return folder


def measure(
    library: Library, python: Path, exported: Path, data: XCDataModule, options: argparse.Namespace
) -> dict[str, Any]:
    """Let a library learn and predict, and score what it has predicted."""
    with tempfile.TemporaryDirectory() as folder:
        scores = Path(folder) / "scores.npz"
        settings = {name: getattr(options, name) for name in ("threads", "top_k", "runs", "queries")}
        flags = [f"--{name.replace('_', '-')}={value}" for name, value in settings.items()]
        command = [python, "-m", library.module, exported, scores, *flags]
        output = subprocess.run(
            command, check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=_alone()
        )
        found: dict[str, Any] = json.loads(output.stdout.splitlines()[-1])
        metrics = Evaluation(data=data, predictions=str(scores), top_k=[1, 3, 5]).execute()
    kept = {name: value for name, value in metrics.items() if name.startswith(("P@", "PSP@"))}
    return {
        "title": library.title,
        "packages": [*library.wheels, *library.packages],
        **found,
        "metrics": kept,
    }


def _alone() -> dict[str, str]:
    """Keep this environment's packages out of the other."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    add: Callable[..., Any] = parser.add_argument
    add("--peers", nargs="+", choices=PEERS, default=list(PEERS))
    add("--data", default="lf_wordnet_8k", help="a data set's name, as data= has it")
    add("--threads", type=int, default=2, help="of training; prediction has one")
    add("--top-k", type=int, default=20, help="predictions per point")
    add("--runs", type=int, default=3, help="of prediction in one batch")
    add("--queries", type=int, default=1050, help="predicted one by one, 50 of them to warm up")
    add("--environments", type=Path, default=ENVIRONMENTS, help="where they are kept")
    return parser.parse_args(arguments)


def main() -> None:
    """Enter from the console."""
    options = parse()
    try:
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            pythons = {name: environment(PEERS[name], options.environments / name) for name in options.peers}
            data = compose_run([f"data={options.data}"], folder).data
            exported = convert(options.data, folder / "exported")
            found = {}
            for name, python in pythons.items():
                note(f"{PEERS[name].title} on {data.name}")
                found[name] = measure(PEERS[name], python, exported, data, options)
    except UserError as error:
        sys.exit(f"{error}")
    say({"data": data.name, "top_k": options.top_k, "peers": found, **circumstances()})


if __name__ == "__main__":
    main()
