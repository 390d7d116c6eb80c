"""The job of xcgraph-predict: read lines, predict their labels, and write answers."""

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from xcgraph.errors import UserError
from xcgraph.predict.predictor import Predictor
from xcgraph.predict.records import to_json
from xcgraph.predict.stream import Line, answers, batches_of_lines, parse_line
from xcgraph.predict.text_source import TextSource

_MAX_REPORTED = 10


def answer_file(options: argparse.Namespace, *, is_json: bool) -> str:
    """Answer all lines of a file or of standard input.

    Args:
        options: the options of the command.
        is_json: whether the lines are JSON.

    Returns:
        A report on the bad lines; empty if all lines are good.

    Raises:
        UserError: the file, the model or an option cannot be used.
    """
    if options.batch_size < 1:
        raise UserError(f"--batch-size: expected 1 or more, found {options.batch_size}.")
    with _opened(options.file) as read:
        predictor = Predictor.load(options.model, trust=options.trust)
        predictor.predict([], options.top_k)  # It refuses a wrong top_k before the first line.
        return _report(_answer_all(read, predictor, options, is_json=is_json))


def _answer_all(
    read: Callable[[int], bytes], predictor: Predictor, options: argparse.Namespace, *, is_json: bool
) -> list[Line]:
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
    if not bad:
        return ""
    shown = [f"  line {line.number}: {line.error}" for line in bad[:_MAX_REPORTED]]
    if len(bad) > len(shown):
        shown.append(f"  and {len(bad) - len(shown)} more; the output has their errors")
    return "\n".join([f"{len(bad)} bad line(s), all others are answered:", *shown, ""])


@contextmanager
def _opened(name: str | None) -> Iterator[Callable[[int], bytes]]:
    """Open a file or standard input. Reading returns what has come, without waiting for more."""
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
    """Count lines on a terminal, unless the terminal shows the answers."""
    columns = (SpinnerColumn(), TextColumn("{task.completed:,.0f} lines"), TimeElapsedColumn())
    hidden = not sys.stderr.isatty() or sys.stdout.isatty()
    shown = Progress(
        *columns,
        console=Console(stderr=True),
        transient=True,
        disable=hidden,
        redirect_stdout=False,  # Answers must reach standard output unchanged.
    )
    with shown as progress:
        task = progress.add_task("lines", total=None)
        yield lambda count: progress.advance(task, count)
