"""xcgraph: one command for all that the package does; each sub-command is loaded when it is called."""

import importlib
import sys
from collections.abc import Sequence

from xcgraph import __version__

COMMANDS = {
    "train": "fit a recipe, score the test points, store the metrics",
    "evaluate": "score a file of predictions",
    "predict": "label texts with a model or a finished run",
    "export": "write the model of a run as a portable folder",
    "serve": "answer over HTTP",
    "report": "compare finished runs",
    "reproduce": "run a suite and compare it with its records",
    "data": "inspect, validate, convert, build and download data sets",
}


def usage() -> str:
    """Describe the sub-commands."""
    width = max(map(len, COMMANDS))
    lines = (f"  {name:<{width}}  {summary}" for name, summary in COMMANDS.items())
    return "\n".join(
        ("usage: xcgraph COMMAND [ARGUMENTS]", "", *lines, "", "xcgraph COMMAND --help describes a command.")
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Enter from the console."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or given[0] in ("-h", "--help"):
        sys.stdout.write(f"{usage()}\n")
        sys.exit(0 if given else 2)
    if given[0] == "--version":
        sys.stdout.write(f"xcgraph {__version__}\n")
        return
    name, *rest = given
    if name not in COMMANDS:
        sys.stderr.write(f"xcgraph: no command {name!r}; the commands are {', '.join(COMMANDS)}.\n")
        sys.exit(2)
    sys.argv = [f"xcgraph-{name}", *rest]
    importlib.import_module(f"xcgraph.cli.{name}").main()


if __name__ == "__main__":
    main()
