"""xcgraph-data build: build a data set from its published source package.

The libraries are imported late: --help does not need them.
"""

import argparse
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xcgraph.errors import UserError


def build(options: argparse.Namespace) -> None:
    """Build a data set from its source package, and compare it with the recorded version."""
    from rich.console import Console

    from xcgraph.cli.sources import find_config

    config = find_config(options.name)
    name, recipe = config["name"], config.get("build")
    if recipe is None:
        raise UserError(
            f"{name} is not built from a source package; docs/domains.md lists the sets that are."
        )
    folder = Path(options.out) / name
    if folder.exists():
        report = f"{folder} exists already; remove it to build it again."
    else:
        source = _find_source(options.source, name, recipe)
        report = _build(source, folder, config, any_version=options.any_version)
    Console().print(report, markup=False, highlight=False, soft_wrap=True)


def describe_build(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("name", metavar="NAME", help="a data set of docs/domains.md, such as lf_linux")
    parser.add_argument("source", metavar="SOURCE", nargs="?", help="its source package")
    parser.add_argument("--out", metavar="DIR", default="data", help="its parent folder (default: data)")
    parser.add_argument(
        "--any-version", action="store_true", help="also write a version other than the recorded one"
    )


def _find_source(given: str | None, name: str, recipe: Mapping[str, Any]) -> Path:
    if given is None:
        raise UserError(f"SOURCE of {name}: expected a file, got nothing; {recipe['source']}.")
    source = Path(given).expanduser()
    if not source.is_file():
        raise UserError(f"{source}: no such file; {recipe['source']}.")
    return source


def _build(source: Path, folder: Path, config: Mapping[str, Any], *, any_version: bool) -> str:
    """Write the folder completely or not at all, and return the report for the user."""
    from omegaconf import OmegaConf

    from xcgraph.formats.fingerprint import fingerprint_folder
    from xcgraph.saved_runs.build import build_node

    recipe = config["build"]
    draft = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    try:
        found = build_node(OmegaConf.create(recipe["write"]))(source, draft)
        found["sha256"] = fingerprint_folder(draft)
        differences = _compare(found, {**config["statistics"], "sha256": recipe["sha256"]})
        if differences and not any_version:
            raise UserError(
                f"{source}: this is not the recorded version of {config['name']}: {differences}; "
                f"{recipe['source']}, or keep this version with --any-version."
            )
        draft.replace(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    report = f"Written: {folder}, licence: {recipe['licence']}"
    if not differences:
        return f"{report}. It is the recorded version."
    return f"{report}. It is not the recorded version: {differences}. Read it with data.statistics=null."


def _compare(found: Mapping[str, Any], recorded: Mapping[str, Any]) -> str:
    """Name the numbers that differ."""
    return ", ".join(
        f"{key} {found[key]} instead of {expected}"
        for key, expected in recorded.items()
        if found[key] != expected
    )
