"""Measure other libraries on a dataset and print the result as JSON."""

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
    """A library to compare with.

    Attributes:
        title: name in tables.
        module: module that runs in the library's environment.
        wheels: packages to install without their dependencies. libpecos requires torch with CUDA and four
            other packages, which XR-Linear does not use.
        packages: packages to install with their dependencies.
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
    """Return the Python interpreter of a library's environment; create the environment if it is missing.

    Raises:
        UserError: a package could not be installed; the incomplete environment is removed.
    """
    marker, wanted = folder / "installed.json", json.dumps([library.wheels, library.packages])
    python = folder / "bin" / "python"
    if marker.exists() and marker.read_text("utf-8") == wanted:
        return python
    note(f"{library.title}: creating its environment in {folder}")
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
            f"pip could not install {' '.join(arguments)} for Python {sys.version_info.major}."
            f"{sys.version_info.minor} ({last}). Check the package index, or omit the library with --peers."
        )


def convert(source: str, folder: Path) -> Path:
    """Convert a dataset to the split layout with ``xcgraph-data convert``."""
    command = Path(sys.executable).with_name("xcgraph-data")
    subprocess.run([command, "convert", source, folder, "--layout", "split"], check=True, stdout=sys.stderr)
    return folder


def measure(
    library: Library, python: Path, exported: Path, data: XCDataModule, options: argparse.Namespace
) -> dict[str, Any]:
    """Train a library, let it predict the test points, and return costs and metrics."""
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
    """Return environment variables without PYTHON*, which would add packages of this environment."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    add: Callable[..., Any] = parser.add_argument
    add("--peers", nargs="+", choices=PEERS, default=list(PEERS), help="libraries to measure (default: all)")
    add("--data", default="lf_wordnet_8k", help="name of the dataset, as in data=NAME")
    add("--threads", type=int, default=2, help="training threads; prediction uses one (default: 2)")
    add("--top-k", type=int, default=20, help="predicted labels per point (default: 20)")
    add("--runs", type=int, default=3, help="timed predictions of all test points (default: 3)")
    add("--queries", type=int, default=1050, help="single queries, including 50 warm-up queries")
    add("--environments", type=Path, default=ENVIRONMENTS, help="folder of the virtual environments")
    return parser.parse_args(arguments)


def main() -> None:
    """Run the benchmark from the command line."""
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
