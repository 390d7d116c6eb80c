"""--help is fast, because no command imports torch before it needs it."""

import subprocess
import sys

import pytest

from benchmarks.startup import COMMANDS, cpu_seconds

HEAVY = ("torch", "pytorch_lightning", "transformers", "sklearn", "scipy", "numba", "matplotlib")


@pytest.mark.parametrize("name", [name for name in COMMANDS if name.endswith("--help")])
def test_help_imports_nothing_heavy(name):
    module = COMMANDS[name][0]
    code = (
        "import sys; from importlib import import_module\n"
        f"sys.argv = ['xcgraph-{module}', '--help']\n"
        f"try: import_module('xcgraph.cli.{module}').main()\n"
        "except SystemExit: pass\n"
        f"sys.exit(', '.join(set({HEAVY}) & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    assert done.stderr.strip() == ""
    assert f"xcgraph-{module}" in done.stdout


def test_cpu_time_of_help_is_measured():
    assert 0.01 < cpu_seconds(("predict", "--help"), runs=1) < 1.0
    assert 0.01 < cpu_seconds(("train", "--help"), runs=1) < 1.5
