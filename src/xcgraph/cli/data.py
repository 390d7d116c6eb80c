"""xcgraph-data: inspect, validate, convert and download data sets.

What reads and writes data is imported late: --help does not need it.
"""

import argparse
import dataclasses
import json
import logging
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from logging.handlers import BufferingHandler
from pathlib import Path

from xcgraph.cli.arguments import path_option
from xcgraph.cli.build_data import build, describe_build
from xcgraph.cli.command import run_command
from xcgraph.cli.failures import RecoveryHints
from xcgraph.errors import UserError

# The names of xcgraph.formats.layouts.all_layouts(), which takes seconds to import.
LAYOUTS = ("split", "single_file", "json", "texts")
_HINTS = RecoveryHints(
    interrupted="nothing half-written is left, and a download goes on where it stopped", output="OUT or --out"
)


def inspect(options: argparse.Namespace) -> None:
    """Print the statistics of a data set."""
    from xcgraph.cli.sources import open_source
    from xcgraph.cli.statistics import print_statistics
    from xcgraph.data.statistics import describe_data, label_frequency, plot_label_frequency
    from xcgraph.storage.artifacts import write_atomically

    with _cache(options.cache) as cache:
        data = open_source(options.source, cache=cache, layout=options.layout).read()
        statistics = describe_data(data)
        print_statistics(statistics)
        if options.out is not None:
            folder = Path(options.out)
            folder.mkdir(parents=True, exist_ok=True)
            numbers, picture = folder / "statistics.json", folder / "label_frequency.png"
            write_atomically(numbers, json.dumps(dataclasses.asdict(statistics), indent=1))
            plot_label_frequency(label_frequency(data.train.labels), data.name, picture)
            _say(f"Written: {numbers} and {picture}")


def validate(options: argparse.Namespace) -> None:
    """Read a whole data set, and report the first error or all corrections."""
    from xcgraph.cli.sources import open_source

    with _cache(None) as cache, _collected_warnings() as notes:
        data = open_source(options.source, cache=cache, layout=options.layout).read()
        for record in notes.buffer:
            _say(f"Note: {record.getMessage()}")
        _say(
            f"{data.name} is good: {len(data.train):,} training points, {len(data.test):,} test points, "
            f"{data.num_labels:,} labels, {data.num_tokens:,} tokens."
        )


def convert(options: argparse.Namespace) -> None:
    """Write a data set into a new folder, in another layout."""
    from xcgraph.cli.sources import open_source
    from xcgraph.formats.folder import write_folder

    folder = Path(options.out)
    if folder.exists():
        raise UserError(f"{folder} exists already: name a new folder, or remove it.")
    draft = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(draft, ignore_errors=True)
    try:
        with _cache(options.cache) as cache:
            source = open_source(options.source, cache=cache, layout=options.source_layout)
            write_folder(source.read(), draft, options.layout, texts=source.point_texts())
        draft.replace(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    _say(f"Written: {folder}")


def download(options: argparse.Namespace) -> None:
    """Fetch a published data set and unpack it."""
    from xcgraph.cli.sources import find_config
    from xcgraph.data.download import REPOSITORY, fetch_archive, unpack_archive

    config = find_config(options.name)
    if "download" not in config:
        raise UserError(f"{config['name']} is not a published data set: there is nothing to download.")
    source = config["download"]
    if source["drive_id"] is None:
        raise UserError(f"{config['name']}: no link is known; take the files from {REPOSITORY}.")
    folder = Path(options.out) / config["name"]
    if folder.exists():
        _say(f"{folder} exists already; remove it to download it again.")
        return
    archive = folder.with_name(f"{folder.name}.zip")
    fetch_archive(source["drive_id"], archive, sha256=source["sha256"])
    unpack_archive(archive, folder)
    archive.unlink()
    _say(f"Written: {folder}")


def build_parser() -> argparse.ArgumentParser:
    """Describe the commands and their options."""
    parser = argparse.ArgumentParser(
        prog="xcgraph-data", description="Inspect, validate, convert and download data sets."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(run: Callable[[argparse.Namespace], None]) -> argparse.ArgumentParser:
        summary = (run.__doc__ or "").strip()
        command: argparse.ArgumentParser = commands.add_parser(
            run.__name__, help=summary, description=summary
        )
        command.set_defaults(run=run)
        return command

    _describe_inspect(add(inspect))
    _describe_validate(add(validate))
    _describe_convert(add(convert))
    _describe_download(add(download))
    describe_build(add(build))
    return parser


def _describe_inspect(parser: argparse.ArgumentParser) -> None:
    _add_source(parser)
    parser.add_argument("--layout", choices=LAYOUTS, help="layout of PATH (default: by its file names)")
    parser.add_argument(
        "--out", metavar="DIR", type=path_option, help="write statistics.json and label_frequency.png there"
    )
    _add_cache(parser)


def _describe_validate(parser: argparse.ArgumentParser) -> None:
    _add_source(parser)
    parser.add_argument("--layout", choices=LAYOUTS, help="layout of PATH (default: by its file names)")


def _describe_convert(parser: argparse.ArgumentParser) -> None:
    _add_source(parser)
    parser.add_argument(
        "out", metavar="OUT", type=path_option, help="the new folder, which must not exist yet"
    )
    parser.add_argument("--layout", choices=LAYOUTS, required=True, help="layout of the new folder")
    parser.add_argument("--from", dest="source_layout", choices=LAYOUTS, help="layout of PATH")
    _add_cache(parser)


def _describe_download(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="a published data set, such as lf_amazontitles_131k")
    parser.add_argument(
        "--out", metavar="DIR", type=path_option, default="data", help="its parent folder (default: data)"
    )


def _add_source(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "source",
        metavar="PATH",
        type=path_option,
        help="a folder, or a data set's name such as lf_wordnet_8k",
    )


def _add_cache(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--cache",
        metavar="DIR",
        type=path_option,
        help="keep converted files there, to read them faster next time",
    )


@contextmanager
def _cache(folder: str | None) -> Iterator[Path]:
    """Return the folder for converted files: a named one that stays, or a temporary one."""
    from xcgraph.storage.temp_folders import temp_folder

    if folder is not None:
        yield Path(folder)
    else:
        with temp_folder("data") as temporary:
            yield temporary


@contextmanager
def _collected_warnings() -> Iterator[BufferingHandler]:
    """Collect the warnings of the readers instead of logging them."""
    logger, handler = logging.getLogger("xcgraph"), BufferingHandler(capacity=1_000_000)
    handler.setLevel(logging.WARNING)
    logger.addHandler(handler)
    logger.propagate = False
    try:
        yield handler
    finally:
        logger.propagate = True
        logger.removeHandler(handler)


def _say(sentence: str) -> None:
    from rich.console import Console

    Console().print(sentence, markup=False, highlight=False, soft_wrap=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """Enter from the console."""
    options = build_parser().parse_args(arguments)
    logging.basicConfig(format="%(message)s")
    run_command(lambda: options.run(options), _HINTS)


if __name__ == "__main__":
    main()
