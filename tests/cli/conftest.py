"""Console scripts, started as a user starts them, on a data set from a plug-in folder."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.warm_process import WarmProcess

PLUGIN = Path(__file__).with_name("plugin")
SMALL = (
    "data=toy",
    "num_trees=1",
    "num_threads=1",
    "encoder.dim=16",
    "shortlister.beam_size=4",
    "ranker.top_k=20",
    "stages.surrogate.max_epochs=2",
    "stages.shortlister.max_epochs=2",
    "stages.ranker.max_epochs=3",
    "stages.ranker.batch_size=32",
)


class Console:
    """Console scripts that run in one folder.

    Args:
        folder: working directory of the scripts.
        warm: fork the scripts from an interpreter that has imported the libraries; else start a new one.
    """

    def __init__(self, folder: Path, *, warm: bool = True) -> None:
        self.folder, self.warm = folder, warm

    def start(self, script, *arguments):
        """Start a script and return its process."""
        name, options = script.removeprefix("xcgraph-"), ["--config-dir", str(PLUGIN), *arguments]
        environment = {**os.environ, "PYTHONPATH": str(PLUGIN), "COLUMNS": "100"}
        if self.warm:
            return WarmProcess(name, options, cwd=self.folder, env=environment)
        return subprocess.Popen(
            [sys.executable, "-m", f"xcgraph.cli.{name}", *options],
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # A shell's background job ignores Ctrl-C, and its children inherit that.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )

    def run(self, script, *arguments):
        """Run a script to its end: (exit status, standard output, standard error)."""
        process = self.start(script, *arguments)
        output, errors = process.communicate(timeout=300)
        return process.returncode, output, errors

    def train(self, *arguments, root="runs"):
        """Train the small model and return its run folder."""
        status, _, errors = self.run("xcgraph-train", *SMALL, f"paths.root={root}", *arguments)
        assert status == 0, errors
        return max((self.folder / root).glob("toy/*/*/metrics.json")).parent


@pytest.fixture
def console(tmp_path, request):
    """Scripts of slow tests may start processes of their own, which need a new interpreter."""
    return Console(tmp_path, warm=request.node.get_closest_marker("slow") is None)
