"""Test other versions of Python and Hydra: some of the tests, a training run and a sweep in each environment.

    python -m tests.compatibility --python 3.11 3.12 3.13 --hydra pinned 1.4.0rc3

The script looks for interpreters in pyenv, on the PATH and in uv. The table marks missing ones. Environments
and the output of each step stay in ``.compatibility/``. Package versions come from ``constraints.txt``. For
another Hydra, its plug-ins and OmegaConf are not pinned. The exit status is 1 if a step failed or an
interpreter is missing.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.cli.conftest import PLUGIN, SMALL

ROOT = Path(__file__).parents[1]
PINNED = "pinned"
TESTS = (
    "tests/test_configs.py",
    "tests/storage/test_artifacts.py",
    "tests/storage/test_locks.py",
    "tests/test_sparse.py",
    "tests/clustering",
    "tests/graph",
    "tests/nn/test_likelihood.py",
    "tests/cli/test_check.py",
    "tests/recipes/test_joint.py",
)
# Hydra 1.4 announces changes of 1.5 in these warnings, and the tests turn warnings into errors.
_IGNORED_WARNINGS = (
    "-W",
    "ignore:hydra.utils.instantiate() resolved",
    "-W",
    "ignore:The version_base parameter",
)
_EXTRAS = ".[sweep,ann,tokenizers,transformers]"
_TOOLS = ("pytest", "hypothesis", "beartype")
_PLUGINS = ("hydra-joblib-launcher", "hydra-optuna-sweeper")
_DEPENDS_ON_HYDRA = re.compile(r"(hydra-|omegaconf=|antlr4-|optuna=)")
_MISSING = ("interpreter missing", "", "", "")


@dataclass(frozen=True)
class Environment:
    """A virtual environment with the logs of its steps.

    Attributes:
        folder: folder of the environment and its logs.
        hydra: version of Hydra, or ``pinned``.
    """

    folder: Path
    hydra: str

    @property
    def python(self) -> str:
        """Path of the interpreter."""
        return str(self.folder / "bin" / "python")

    def run(self, step: str, *command: str, cwd: Path = ROOT) -> str | None:
        """Run a command and log its output; return the output, or None if the command failed."""
        variables = {"PYTHONPATH": str(PLUGIN), "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}"}
        done = subprocess.run(
            [self.python, *command],
            cwd=cwd,
            env={**os.environ, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        (self.folder / f"hydra-{self.hydra}-{step}.log").write_text(done.stdout, "utf-8")
        return done.stdout if done.returncode == 0 else None

    def version(self, package: str) -> str:
        """Return the installed version of a package."""
        code = f"from importlib.metadata import version; print(version('{package}'))"
        return (self.run("version", "-c", code) or "?").strip()


def find_interpreter(version: str) -> str | None:
    """Return the path of a Python interpreter with a version such as 3.12, or None."""

    def ask_uv() -> str | None:
        if shutil.which("uv") is None:
            return None
        command = ["uv", "python", "find", version]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip() or None

    pyenv = sorted((Path.home() / ".pyenv" / "versions").glob(f"{version}.*/bin/python"))
    places: tuple[Callable[[], str | None], ...] = (
        lambda: str(pyenv[-1]) if pyenv else None,
        lambda: shutil.which(f"python{version}"),
        ask_uv,
    )
    return next((found for place in places if (found := place()) is not None), None)


def install(environment: Environment, interpreter: str) -> bool:
    """Install the checkout in editable mode with the requested versions; return whether it succeeded."""
    if not Path(environment.python).exists():
        subprocess.run([interpreter, "-m", "venv", str(environment.folder)], check=True)
    pins, hydra = (ROOT / "constraints.txt").read_text("utf-8").splitlines(), []
    if environment.hydra != PINNED:
        pins = [pin for pin in pins if not _DEPENDS_ON_HYDRA.match(pin)]
        hydra = [f"{name}=={environment.hydra}" for name in ("hydra-core", *_PLUGINS)]
    constraints = environment.folder / f"constraints-{environment.hydra}.txt"
    constraints.write_text("\n".join(pins), "utf-8")
    command = ("-m", "pip", "install", "--constraint", str(constraints))
    return all(
        environment.run(step, *command, *packages) is not None
        for step, packages in (("torch", ("torch",)), ("install", ("--editable", _EXTRAS, *_TOOLS, *hydra)))
    )


def measure(environment: Environment) -> Iterator[str]:
    """Run the tests, a training run and a sweep; yield a table cell for each."""
    pytest = ("-m", "pytest", "-m", "not slow", "-p", "no:cacheprovider", *_IGNORED_WARNINGS)
    output = environment.run("tests", *pytest, *TESTS)
    log = (environment.folder / f"hydra-{environment.hydra}-tests.log").read_text("utf-8")
    counts = re.findall(r"\d+ (?:passed|failed|skipped|errors?)\b", log.strip().rpartition("\n")[2])
    yield ", ".join(counts) if counts else "failed" if output is None else "no tests"
    work = environment.folder / f"hydra-{environment.hydra}-runs"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    train = ("-m", "xcgraph.cli.train", "--config-dir", str(PLUGIN))
    trained = environment.run("train", *train, *SMALL, "hydra.run.dir=single", cwd=work)
    yield "failed" if trained is None else _precision(work / "single" / "metrics.json")
    cells = ("ranker.game_mix=0.0,0.5", "hydra/launcher=joblib")
    swept = environment.run("sweep", *train, "-m", *SMALL, *cells, cwd=work)
    found = sorted(_precision(file) for file in work.glob("runs/sweeps/*/*/*/metrics.json"))
    yield "failed" if swept is None else ", ".join(found)


def _precision(metrics: Path) -> str:
    return f"{100 * json.loads(metrics.read_text('utf-8'))['test']['P@1']:.2f}"


def check(version: str, hydra: str, folder: Path) -> list[str]:
    """Check one environment; return its line of the table."""
    started, interpreter = time.monotonic(), find_interpreter(version)
    if interpreter is None:
        return [version, hydra, *_MISSING, ""]
    environment = Environment(folder / f"python-{version}", hydra)
    folder.mkdir(exist_ok=True)
    if not install(environment, interpreter):
        return [version, hydra, "", "install failed", "", "", f"{time.monotonic() - started:.0f}"]
    exact = environment.run("python", "-c", "import platform; print(platform.python_version())") or version
    line = [exact.strip(), environment.version("hydra-core"), environment.version("torch")]
    return [*line, *measure(environment), f"{time.monotonic() - started:.0f}"]


def main() -> int:
    """Check all environments, print the table and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.compatibility", description=__doc__.split("\n")[0])
    parser.add_argument("--python", nargs="+", default=["3.11", "3.12", "3.13"], metavar="VERSION")
    parser.add_argument("--hydra", nargs="+", default=[PINNED, "1.4.0rc3"], metavar="VERSION")
    parser.add_argument(
        "--folder", type=Path, default=ROOT / ".compatibility", help="folder for the environments"
    )
    arguments = parser.parse_args()
    table = Table("Python", "Hydra", "torch", "tests", "P@1 of a run", "P@1 of two cells", "seconds")
    failed = False
    for version in arguments.python:
        for hydra in arguments.hydra:
            line = check(version, hydra, arguments.folder.absolute())
            table.add_row(*line)
            sys.stderr.write(f"{' | '.join(line)}\n")
            failed |= any(word in cell for cell in line for word in ("failed", "error", "missing"))
    Console(width=140).print(table)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
