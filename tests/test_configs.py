"""Every YAML composes, passes the check of its keys and values, and builds what it describes."""

from pathlib import Path

import pytest
import torch
import yaml
from hydra import compose, initialize_config_module

from xcgraph.cli.check import build
from xcgraph.cli.suite import read_suite
from xcgraph.data.download import REPOSITORY
from xcgraph.errors import UserError
from xcgraph.runs.run import Run

CONF = Path(__file__).parents[1] / "conf"
FILES = sorted(file for file in CONF.glob("*/**/*.yaml") if file.relative_to(CONF).parts[0] != "reproduce")
SUITES = sorted(CONF.glob("reproduce/*/*.yaml"))
# Groups that are mounted elsewhere than under their own name.
MOUNTS = {"stage": "stage@stages.{name}"}
# Parts that the RAMEN-style recipe alone has.
GRAPHS = ("anchors", "pruning", "regularizer", "retrieval", "regularizer_weight", "triplets", "truth")
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


@pytest.mark.parametrize("file", SUITES, ids=lambda file: file.relative_to(CONF).as_posix())
def test_suite_has_cells_that_build(file, tmp_path):
    suite = read_suite(file.parent.name, file.stem)
    assert len(set(suite.cells)) == len(suite.cells)
    assert suite.published.keys() <= set(suite.cells)
    with initialize_config_module("xcgraph.conf", version_base="1.3"):
        for cell in suite.cells:
            config = compose("train", [*cell.split(), f"paths.run={tmp_path}", f"paths.root={tmp_path}"])
            assert isinstance(build(config, "train"), Run)
            assert config.data.name.lower().replace("-", "_").replace(".", "_") == file.parent.name


@pytest.mark.parametrize("file", [*FILES, *SUITES], ids=lambda file: file.relative_to(CONF).as_posix())
def test_file_begins_with_what_it_is(file):
    first = next(line for line in file.read_text().splitlines() if not line.startswith("# @package"))

    assert first.startswith("# "), f"{file.relative_to(CONF)}: expected a comment that says what it is."


def test_experiments_say_only_what_differs():
    for file in CONF.glob("experiment/**/*.yaml"):
        lines = file.read_text().splitlines()
        assert lines[0] == "# @package _global_"
        assert any(line.startswith("# xcgraph-train") for line in lines)
        assert len(lines) < 12, f"{file.name} has {len(lines)} lines: move what it says into a part's YAML."


# Of each experiment on a published set: dim, log2 of the meta-labels, beam, and the two learning rates.
PUBLISHED = {
    "eclare_lf_amazontitles_131k": (300, 15, 50, 0.005, 0.004),
    "eclare_lf_wikiseealsotitles_320k": (300, 17, 30, 0.01, 0.008),
    "eclare_lf_amazontitles_1_3m": (512, 17, 50, 0.005, 0.004),
    "eclare_lf_wikititles_500k": (512, 17, 20, 0.01, 0.005),
    "decaf_lf_amazontitles_131k": (300, 15, 200, 0.01, 0.008),
    "decaf_lf_wikiseealsotitles_320k": (300, 17, 160, 0.01, 0.008),
    "decaf_lf_amazontitles_1_3m": (512, 17, 100, 0.01, 0.008),
    "decaf_lf_amazon_131k": (512, 15, 200, 0.01, 0.008),
    "decaf_lf_wikiseealso_320k": (512, 17, 160, 0.01, 0.008),
    "decaf_lf_wikititles_500k": (512, 17, 100, 0.005, 0.004),
    "decaf_lf_wikipedia_500k": (512, 17, 100, 0.01, 0.008),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_experiments_on_published_sets_have_published_values(name, tmp_path):
    dim, levels, beam_size, first_lr, second_lr = PUBLISHED[name]
    with initialize_config_module("xcgraph.conf", version_base="1.3"):
        config = compose("train", [f"experiment={name}", f"paths.run={tmp_path}"])
    stages = [config.stages[stage] for stage in ("surrogate", "shortlister", "ranker")]

    assert name == f"{config.name}_{config.data.name.lower().replace('-', '_').replace('.', '_')}"
    assert (config.encoder.dim, config.encoder.dropout, config.label_dropout) == (dim, 0.2, 0.2)
    assert (config.shortlister.num_meta_labels, config.shortlister.beam_size) == (2**levels, beam_size)
    assert [stage.lr for stage in stages] == [first_lr, second_lr, second_lr]
    assert [stage.max_epochs for stage in stages] == [20, 10, 10]
    assert {stage.batch_size for stage in stages} == {255}
    assert (config.schedule.every_epochs, config.num_trees) == (5, 3)
    build(config, "train").recipe.check(config.data.statistics.labels)


@pytest.mark.parametrize("name", [name for name in PUBLISHED if name.startswith("eclare")])
def test_eclare_on_published_sets_has_the_published_graph(name, tmp_path):
    with initialize_config_module("xcgraph.conf", version_base="1.3"):
        config = compose("train", [f"experiment={name}", f"paths.run={tmp_path}"])
    graph = config.graph

    assert (graph.walk_length, graph.restart_prob, graph.num_neighbors) == (400, 0.8, 10)
    assert (graph.head_label_threshold, graph.min_similarity) == (500, 0.0)
    assert (config.shortlister.game_mix, config.ranker.game_mix, config.hops) == (0.5, 0.5, 1)
    assert (config.shortlister.join_neighbours, config.fusion.dropout) == (True, 0.2)


PUBLISHED_SETS = [
    file for file in sorted((CONF / "data").glob("*.yaml")) if "download" in yaml.safe_load(file.read_text())
]


def test_the_seven_sets_are_there():
    assert len(PUBLISHED_SETS) == 7


@pytest.mark.parametrize("file", PUBLISHED_SETS, ids=lambda file: file.stem)
def test_a_published_set_that_is_not_there_says_how_to_get_it(file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with initialize_config_module("xcgraph.conf", version_base="1.3"):
        config = compose("train", [f"data={file.stem}", f"paths.run={tmp_path}"])
    run = build(config, "train")

    with pytest.raises(UserError) as said:
        run.data.read()

    assert f"data/{config.data.name}" in str(said.value)
    assert f"xcgraph-data download {config.data.name}" in str(said.value)
    assert REPOSITORY in str(said.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("file", PUBLISHED_SETS, ids=lambda file: file.stem)
def test_propensity_constants_are_those_of_the_source(file):
    config = yaml.safe_load(file.read_text())
    constants = {
        "Amazon": (0.6, 2.6),
        "AmazonTitles": (0.6, 2.6),
        "Wikipedia": (0.5, 0.4),
        "WikiTitles": (0.5, 0.4),
    }

    expected = constants.get(config["name"].split("-")[1], (0.55, 1.5))
    assert (config["propensity_a"], config["propensity_b"]) == expected
