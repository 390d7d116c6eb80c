"""xcgraph-predict: label the lines of a file or of standard input."""

import argparse
import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from xcgraph.cli.command import add_trust, run_command
from xcgraph.cli.failures import RecoveryHints
from xcgraph.errors import UserError
from xcgraph.predict.predictor import Predictor
from xcgraph.predict.records import to_json
from xcgraph.predict.stream import Line, answers, batches_of_lines, parse_line
from xcgraph.predict.text_source import TextSource

BAD_LINES = 1

_ADVICE = RecoveryHints(interrupted="the lines before have been answered", output="another standard output")
_JSON_ENDINGS = (".json", ".jsonl", ".ndjson")
_MOST_REPORTED = 10


def predict(options: argparse.Namespace) -> None:
    """Answer all lines, then report the bad ones."""
    if options.batch_size < 1:
        raise UserError(f"--batch-size: expected 1 or more, found {options.batch_size}.")
    with _opened(options.file) as read:
        predictor = Predictor.load(options.model, trust=options.trust)
        predictor.predict([], options.top_k)  # refuses a top_k before the first line
        bad = _answer_all(read, predictor, options)
    if bad:
        sys.stderr.write(_report(bad))
        sys.exit(BAD_LINES)


def _answer_all(
    read: Callable[[int], bytes], predictor: Predictor, options: argparse.Namespace
) -> list[Line]:
    is_json = options.format == "json" or (
        options.format is None and str(options.file).removesuffix(".gz").endswith(_JSON_ENDINGS)
    )
    bad: list[Line] = []
    number = 0
    with _progress() as advance:
        for contents in batches_of_lines(read, options.batch_size):
            lines = [
                parse_line(content, place, predictor, is_json=is_json)
                for place, content in enumerate(contents, start=number + 1)
            ]
            number += len(lines)
            for answer in answers(lines, predictor, options.top_k, explain=options.explain):
                sys.stdout.write(to_json(answer) + "\n")
            sys.stdout.flush()
            bad += [line for line in lines if line.error]
            advance(len(lines))
    return bad


def _report(bad: Sequence[Line]) -> str:
    shown = [f"  line {line.number}: {line.error}" for line in bad[:_MOST_REPORTED]]
    if len(bad) > len(shown):
        shown.append(f"  and {len(bad) - len(shown)} more, which the output has as errors")
    return "\n".join([f"{len(bad)} bad line(s), all others are answered:", *shown, ""])


@contextmanager
def _opened(name: str | None) -> Iterator[Callable[[int], bytes]]:
    """Open a file, or standard input, for reading what is there."""
    if name in (None, "-"):
        yield TextSource(lambda size: os.read(sys.stdin.fileno(), size), "standard input")
        return
    with ExitStack() as stack:
        try:
            file = stack.enter_context(Path(str(name)).expanduser().open("rb", buffering=0))
        except OSError as error:
            raise UserError(f"{name}: expected a file of lines, found: {error.strerror}.") from error
        yield TextSource(file.read, str(name))


@contextmanager
def _progress() -> Iterator[Callable[[int], None]]:
    """Count lines on a terminal that shows nothing else."""
    columns = (SpinnerColumn(), TextColumn("{task.completed:,.0f} lines"), TimeElapsedColumn())
    hidden = not sys.stderr.isatty() or sys.stdout.isatty()
    shown = Progress(
        *columns,
        console=Console(stderr=True),
        transient=True,
        disable=hidden,
        redirect_stdout=False,  # it would take the answers for its own
    )
    with shown as progress:
        task = progress.add_task("lines", total=None)
        yield lambda count: progress.advance(task, count)


def build_parser() -> argparse.ArgumentParser:
    """Describe the options."""
    parser = argparse.ArgumentParser(
        prog="xcgraph-predict",
        description="Label lines: a JSON line out for each line in, in their order, as they come.",
        epilog='A JSON line has "text", "tokens" ({name: weight}) or "features" ({column: weight}), and may '
        f'have "id". A bad line is answered with "error"; if there was one, the exit status is {BAD_LINES}.',
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
    parser.add_argument("--explain", action="store_true", help="say how each score came to be")
    parser.add_argument("--batch-size", type=int, default=256, metavar="N", help="lines at a time, at most")
    add_trust(parser)
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Enter from the console."""
    options = build_parser().parse_args(arguments)
    logging.basicConfig(format="%(message)s")
    try:
        run_command(lambda: predict(options), _ADVICE)
    except BrokenPipeError:  # whoever read the answers has enough; Python must not flush to them again
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(BAD_LINES)


if __name__ == "__main__":
    main()
