"""The numbers, sources and commands of docs/domains.md are those of the configs."""

import re
import shlex
from pathlib import Path

import pytest
import yaml

from xcgraph.cli.data import build_parser
from xcgraph.cli.sources import find_config

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "domains.md").read_text("utf-8")
FILES = sorted((ROOT / "conf" / "data").glob("*.yaml"))
NAMES = [file.stem for file in FILES if "build" in yaml.safe_load(file.read_text("utf-8"))]
COMMANDS = re.findall(r"^xcgraph-data .*$", PAGE, re.MULTILINE)


def test_every_built_set_has_a_row_with_its_statistics():
    rows = dict(
        re.findall(r"^\| `data=(\w+)` \| [^|]* \| ([\d,]+ \| [\d,]+ \| [\d,]+) \|", PAGE, re.MULTILINE)
    )

    assert rows == {
        name: " | ".join(f"{number:,}" for number in find_config(name)["statistics"].values())
        for name in NAMES
    }


@pytest.mark.parametrize("name", NAMES)
def test_source_and_licence_are_those_of_the_config(name):
    config = find_config(name)
    row = next(line for line in PAGE.splitlines() if re.match(rf"\| .*\b{config['name']}\b", line))

    assert row.endswith(f"| {config['build']['licence']} |")
    assert re.search(r"\d+\.\d+\.\d+\S*", config["build"]["source"])[0].rstrip(")") in PAGE


@pytest.mark.parametrize("name", NAMES)
def test_every_built_set_has_a_command(name):
    assert any(command.startswith(f"xcgraph-data build {name} ") for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_command_is_accepted(command):
    options = build_parser().parse_args(shlex.split(command)[1:])

    assert (
        Path(options.source).name in find_config(options.name)["build"]["source"]
        or options.name == "lf_chebi"
    )
