"""xcgraph-export: make a portable folder of a finished run.

What exports is imported late: --help does not need it.
"""

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from xcgraph.cli.arguments import path_option
from xcgraph.cli.command import add_trust, run_command
from xcgraph.cli.failures import RecoveryHints
from xcgraph.storage.user_paths import output_folder

_HINTS = RecoveryHints(interrupted="nothing half-written is left", output="--out")


def export(options: argparse.Namespace) -> None:
    """Write the folder."""
    from xcgraph.predict.folder import MANIFEST, save_model
    from xcgraph.predict.from_run import portable_run

    out = Path(options.out)
    output_folder(out.parent, "--out")
    model = portable_run(Path(options.run), options.trust)
    if options.program:
        # torch.export and its compiler take seconds to import.
        from xcgraph.predict.program_file import save_program
    save_model(model, out, beside=[save_program] if options.program else [])
    size = sum(path.stat().st_size for path in out.iterdir()) / 2**20
    text = "reads text" if model.vectorizer is not None else "takes weights of tokens, no text"
    sys.stdout.write(
        f"Written: {out} ({size:,.1f} MiB, {len(model.trees)} tree(s), {model.num_labels:,} labels, {text}; "
        f"{MANIFEST} describes it)\n"
    )


def build_parser() -> argparse.ArgumentParser:
    """Describe the options."""
    parser = argparse.ArgumentParser(
        prog="xcgraph-export",
        description="Write a portable folder with all that prediction needs: vectors, graphs, names, words.",
    )
    parser.add_argument("run", metavar="RUN", type=path_option, help="the folder of a finished run")
    parser.add_argument("--out", metavar="FOLDER", type=path_option, required=True, help="the new folder")
    parser.add_argument(
        "--program",
        action="store_true",
        help="write program.pt2 too, which torch.export.load runs where xcgraph is not installed",
    )
    add_trust(parser)
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Enter from the console."""
    options = build_parser().parse_args(arguments)
    logging.basicConfig(format="%(message)s")
    run_command(lambda: export(options), _HINTS)


if __name__ == "__main__":
    main()
