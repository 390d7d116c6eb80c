"""Start console scripts in processes that are forked from a warm interpreter.

A new interpreter needs seconds to import torch and Lightning. Here one interpreter per pytest process imports
them once, and each console script runs in a process that is forked from it. Forked processes share one hash
seed, so a test that compares two interpreters must start one of them with :mod:`subprocess`.
"""

import atexit
import contextlib
import importlib
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["tests.warm_imports"])
_ROOT = Path(__file__).parents[1]


class WarmProcess:
    """A console script in a forked process, with the part of the interface of Popen that tests use.

    Args:
        script: name of the script without ``xcgraph-``.
        arguments: arguments of the script.
        cwd: working directory.
        env: environment variables. Rich reads COLUMNS on import, so the first process sets it for all.
    """

    def __init__(self, script, arguments, *, cwd, env):
        self._output = tempfile.TemporaryDirectory()
        self._files = [Path(self._output.name, name) for name in ("stdout", "stderr")]
        self._process = _CONTEXT.Process(
            target=_run, args=(script, arguments, str(cwd), env, [str(file) for file in self._files])
        )
        outer = dict(os.environ)
        os.environ.update(env)  # the warm interpreter inherits both when it starts
        try:
            with contextlib.chdir(_ROOT):
                self._process.start()
        finally:
            os.environ.clear()
            os.environ.update(outer)

    @property
    def returncode(self):
        """Exit status; None while the process runs."""
        return self._process.exitcode

    def poll(self):
        """Return the exit status, or None while the process runs."""
        return self.returncode

    def kill(self):
        """Kill the process."""
        self._process.kill()

    def send_signal(self, number):
        """Send a signal to the process."""
        os.kill(self._process.pid, number)

    def communicate(self, timeout=None):
        """Wait for the end and return the standard output and standard error."""
        self._process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired(self._process.name, timeout)
        return tuple(file.read_text("utf-8") if file.exists() else "" for file in self._files)


def _run(script, arguments, folder, environment, files):
    """Run a script in this forked process."""
    for descriptor, file in enumerate(files, 1):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND), descriptor)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[:0] = environment.get("PYTHONPATH", "").split(os.pathsep)
    sys.argv = [f"xcgraph-{script}", *arguments]
    try:
        importlib.import_module(f"xcgraph.cli.{script}").main()
    finally:
        atexit._run_exitfuncs()  # multiprocessing skips them
