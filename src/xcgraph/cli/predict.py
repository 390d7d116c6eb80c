"""xcgraph-predict: label the lines of a file or of standard input.

What predicts is imported late: --help does not need it.
"""

import argparse
import logging
import os
import sys
from collections.abc import Sequence

from xcgraph.cli.command import add_trust, run_command
from xcgraph.cli.failures import RecoveryHints

BAD_LINES = 1
_JSON_ENDINGS = (".json", ".jsonl", ".ndjson")

_HINTS = RecoveryHints(interrupted="the lines before have been answered", output="another standard output")


def predict(options: argparse.Namespace) -> None:
    """Answer all lines, then report the bad ones."""
    from xcgraph.cli.predict_job import answer_file

    is_named_json = options.format is None and str(options.file).removesuffix(".gz").endswith(_JSON_ENDINGS)
    report = answer_file(options, is_json=options.format == "json" or is_named_json)
    if report:
        sys.stderr.write(report)
        sys.exit(BAD_LINES)


def build_parser() -> argparse.ArgumentParser:
    """Describe the options."""
    parser = argparse.ArgumentParser(
        prog="xcgraph-predict",
        description="Label lines: write one JSON line for each line read, in the same order, as they come.",
        epilog='A JSON line has "text", "tokens" ({name: weight}) or "features" ({column: weight}), and may '
        f'have "id". The answer to a bad line has "error", and the exit status is then {BAD_LINES}.',
    )
    parser.add_argument("model", metavar="MODEL", help="a folder of xcgraph-export or of a finished run")
    parser.add_argument(
        "file", metavar="FILE", nargs="?", help="lines, plain or gzip (default: standard input)"
    )
    parser.add_argument(
        "--format",
        choices=("lines", "json"),
        help=f"one text a line, or JSON lines (default: json for {', '.join(_JSON_ENDINGS)}, else lines)",
    )
    parser.add_argument("--top-k", type=int, default=5, metavar="K", help="labels per line (default: 5)")
    parser.add_argument("--explain", action="store_true", help="explain each score")
    parser.add_argument(
        "--batch-size",
        type=int,
        default=256,
        metavar="N",
        help="lines at a time, at most (default: 256)",
    )
    add_trust(parser)
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Enter from the console."""
    options = build_parser().parse_args(arguments)
    logging.basicConfig(format="%(message)s")
    try:
        run_command(lambda: predict(options), _HINTS)
    except BrokenPipeError:  # The reader of the answers has closed them. Python must not flush to it again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(BAD_LINES)


if __name__ == "__main__":
    main()
