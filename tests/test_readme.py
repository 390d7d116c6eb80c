"""The commands that the README and the experiments' comments tell people to type exist and compose."""

import re
import shlex
import tomllib
from pathlib import Path

import pytest
from hydra import compose, initialize_config_module

from xcgraph.cli.data import build_parser
from xcgraph.cli.report import build_parser as build_report_parser
from xcgraph.cli.sources import find_config

ROOT = Path(__file__).parents[1]
# The section on prediction is no list of commands: tests/serve/test_page.py runs it.
README = re.sub(
    r"^## Predict\n.*?(?=^## )", "", (ROOT / "README.md").read_text("utf-8"), flags=re.DOTALL | re.M
)
BLOCKS = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
LINES = [line.partition(" #")[0].strip() for block in BLOCKS for line in block.splitlines() if line.strip()]
EXPERIMENT_LINES = [
    re.search(r"^# (xcgraph-\S+ .*)$", file.read_text("utf-8"), re.MULTILINE)[1]
    for file in sorted((ROOT / "conf" / "experiment").rglob("*.yaml"))
    if "_shared" not in file.parts
]


def test_the_two_commands_come_first():
    assert LINES[:2] == ["make train", "make test"]


@pytest.mark.parametrize("line", [line for line in LINES if line.startswith("make")])
def test_make_target_exists(line):
    targets = re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE)

    assert line.split()[1] in targets


@pytest.mark.parametrize(
    "line",
    [line for line in [*LINES, *EXPERIMENT_LINES] if line.startswith(("xcgraph-train", "xcgraph-evaluate"))],
)
def test_console_command_composes(line):
    script, *arguments = shlex.split(line)
    # Of a sweep's values, the first; options such as --help are Hydra's own.
    overrides = [re.sub(r",.*", "", argument) for argument in arguments if not argument.startswith("-")]

    with initialize_config_module("xcgraph.conf", version_base="1.3"):
        assert compose(script.removeprefix("xcgraph-"), overrides)


@pytest.mark.parametrize("line", [line for line in LINES if line.startswith("xcgraph-data")])
def test_data_command_parses(line):
    _, command, *arguments = shlex.split(line)
    options = build_parser().parse_args([command, *arguments])

    assert callable(options.run)
    if command == "download":
        assert find_config(options.name)["download"]


@pytest.mark.parametrize("line", [line for line in LINES if line.startswith("xcgraph-report")])
def test_report_command_parses(line):
    assert build_report_parser().parse_args(shlex.split(line)[1:]).out


def test_every_line_is_one_that_is_checked():
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert {line.split()[0] for line in LINES} <= {"make", *scripts}


def test_no_table_is_missing():
    assert "@TABLE@" not in README


def test_ten_lines_of_python_run_as_they_stand(tmp_path, monkeypatch, capsys):
    (block,) = re.findall(r"^## Your own texts.*?```python\n(.*?)```", README, re.DOTALL | re.MULTILINE)
    monkeypatch.chdir(tmp_path)
    texts = ["a board to cut bread", "a sweet red apple", "an apple on a board"] * 20
    labels = [["L17"], ["L2"], ["L17", "L2"]] * 20
    names = {"texts": texts, "labels": labels, "test_texts": texts[:6], "test_labels": labels[:6]}
    exec(compile(block, "README.md", "exec"), names)
    assert "L17 bamboo cutting board" in capsys.readouterr().out
    assert names["model"].predict(["an apple"], top_k=1).ids == [["L2"]]
