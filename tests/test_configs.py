"""Every YAML composes, passes the check of its keys and values, and builds what it describes."""

from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_module

from xcgraph.cli.check import build
from xcgraph.errors import UserError
from xcgraph.pipeline.run import Run

CONF = Path(__file__).parents[1] / "conf"
FILES = sorted(CONF.glob("*/**/*.yaml"))
# Groups that are mounted elsewhere than under their own name.
MOUNTS = {"stage": "stage@stages.{name}"}
# Parts that the RAMEN-style recipe alone has.
GRAPHS = ("anchors", "pruning", "regularizer", "retrieval", "trade_off", "triplets", "truth")
# What a file, or all of a group, leave to the command line.
REQUIRED = {
    "data/xc_folder.yaml": ["data.path=folder"],
    "encoder/transformer.yaml": ["recipe=ramen", "encoder.model={tiny_model}"],
    "text/token_ids.yaml": ["recipe=ramen", "encoder=transformer", "encoder.model={tiny_model}"],
    "anchors/none.yaml": ["recipe=ramen"],
    **{group: ["experiment=ramen"] for group in GRAPHS},
}


def override(file):
    group = file.parent.relative_to(CONF).as_posix()
    return f"{MOUNTS.get(group, group).format(name=file.stem)}={file.stem}"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(CONF).as_posix())
def test_file_composes_and_builds(file, tmp_path, request):
    name = file.relative_to(CONF)
    required = REQUIRED.get(name.as_posix(), REQUIRED.get(name.parent.as_posix(), []))
    if any("{tiny_model}" in override for override in required):
        model = request.getfixturevalue("tiny_model")
        required = [override.format(tiny_model=model) for override in required]
    with initialize_config_module("xcgraph.conf", version_base="1.3"):
        paths = [f"paths.run={tmp_path}", f"paths.root={tmp_path}"]
        config = compose("train", [override(file), *paths, *required])

    run = build(config, "train")

    assert isinstance(run, Run)
    if file.match("trainer/gpu.yaml") and not torch.cuda.is_available():
        with pytest.raises(UserError, match=r"gpu backend.*trainer=cpu"):
            run.recipe.check(10_000)
    else:
        run.recipe.check(10_000)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(CONF).as_posix())
def test_file_begins_with_what_it_is(file):
    first = next(line for line in file.read_text().splitlines() if not line.startswith("# @package"))

    assert first.startswith("# "), f"{file.relative_to(CONF)}: expected a comment that says what it is."


def test_experiments_say_only_what_differs():
    for file in CONF.glob("experiment/**/*.yaml"):
        lines = file.read_text().splitlines()
        assert lines[0] == "# @package _global_"
        assert any(line.startswith("# xcgraph-train") for line in lines)
