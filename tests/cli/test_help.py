"""--help of the commands that take a config."""

import re

import pytest

from xcgraph.cli.catalog import Catalog
from xcgraph.cli.help import EVALUATE_HELP, TRAIN_HELP, wants_help, write_help

from .conftest import PLUGIN


def text_of(command, capsys, *arguments):
    write_help(command, arguments)
    return capsys.readouterr().out


def test_train_help_has_examples_outputs_and_at_most_70_lines(capsys):
    text = text_of(TRAIN_HELP, capsys)

    assert text.count("  xcgraph-train ") == 4
    assert "-m, --multirun" in text
    assert "runs/sweeps/DATA/NAME" in text
    assert len(text.splitlines()) <= 70
    assert max(map(len, text.splitlines())) <= 110


def test_train_help_lists_the_groups_of_each_recipe(capsys):
    text = text_of(TRAIN_HELP, capsys)
    groups = text.partition("Groups of each recipe")[2].partition("Options of each group")[0]
    flat = re.sub(r"\n {10,}", " ", groups)

    for recipe in Catalog().options("recipe"):
        assert re.search(rf"^  {recipe} +[a-z]", flat, re.MULTILINE)
    joint = re.search(r"^  joint .*", flat, re.MULTILINE)[0]
    assert {"points", "negatives", "fusion"} <= set(joint.split())
    assert not {"shortlister", "positives"} & set(joint.split())


def test_train_help_shows_the_main_experiments_and_the_folders_of_others(capsys):
    text = text_of(TRAIN_HELP, capsys)

    assert "decaf decaf_lite dual_encoder eclare joint ramen ramen_ranker smoke" in text
    assert re.search("ablation/ has 36 more", text)


def test_help_shows_options_of_a_users_folder(capsys):
    assert "toy" not in text_of(TRAIN_HELP, capsys)
    assert "toy" in text_of(TRAIN_HELP, capsys, "--config-dir", str(PLUGIN), "--help")


def test_evaluate_help_shows_its_groups_only(capsys):
    text = text_of(EVALUATE_HELP, capsys)

    assert "lf_wordnet_8k" in text
    assert "fusion" not in text


@pytest.mark.parametrize(
    ("arguments", "expected"), [(["--help"], True), (["-h"], True), (["--hydra-help"], False), ([], False)]
)
def test_help_is_asked_for(arguments, expected):
    assert wants_help(arguments) == expected
