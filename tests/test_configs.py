"""Every config file composes, passes the check of its keys and values, and builds what it describes."""

import re
from functools import cache
from pathlib import Path

import pytest
import torch
import yaml
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf

from xcgraph.cli.catalog import Catalog
from xcgraph.cli.check import build
from xcgraph.cli.idle import idle_keys
from xcgraph.cli.suite import read_suite
from xcgraph.data.download import REPOSITORY
from xcgraph.errors import UserError
from xcgraph.report.suites import suite_names
from xcgraph.runs.run import Run

CONF = Path(__file__).parents[1] / "conf"
SUITES = Path(__file__).parents[1] / "src" / "xcgraph" / "report" / "suites"
FILES = sorted(file for file in CONF.glob("*/**/*.yaml") if "_shared" not in file.parts)
EXPERIMENTS = Catalog().options("experiment")
CELLS = sorted({cell for names in suite_names() for cell in read_suite(*names).cells})
# The experiment that is a recipe without further settings.
NAMESAKES = {recipe: recipe for recipe in Catalog().options("recipe")} | {"ranked_ramen": "ramen_ranker"}
# Groups whose place in the config is not their own name.
MOUNTS = {"stage": "stage@stages.ranker"}
# Overrides without which an option cannot be used, by file or by group.
REQUIRED = {
    "data/hf_dataset.yaml": ["data.path=folder"],
    "data/table.yaml": ["data.path=table.csv"],
    "data/xc_folder.yaml": ["data.path=folder"],
    "encoder/transformer.yaml": ["recipe=ramen", "encoder.model={tiny_model}"],
    "text/token_ids.yaml": ["recipe=ramen", "encoder=transformer", "encoder.model={tiny_model}"],
    "anchors/none.yaml": ["recipe=ramen", "regularizer=none"],
    "graph/none.yaml": ["hops=0"],
    "regularizer/graph.yaml": ["anchors=label_graph"],
    "regularizer/none.yaml": ["recipe=ramen", "positives=augmented"],
    "anchors": ["recipe=ramen"],
    "negatives": ["recipe=joint"],
    "points": ["recipe=joint"],
    "positives": ["recipe=ramen"],
    "pruning": ["recipe=ramen"],
    "regularizer_weight": ["recipe=ramen"],
    "retrieval": ["recipe=ramen"],
}


@cache
def compose_train(*overrides, tmp_path="/run"):
    """Compose a config. Tests do not change it."""
    with initialize_config_module("xcgraph.conf", version_base="1.3"):
        return compose("train", [*overrides, f"paths.run={tmp_path}", f"paths.root={tmp_path}"])


@cache
def resolved(*overrides):
    return OmegaConf.to_container(compose_train(*overrides), resolve=True)


def override(file):
    group = file.relative_to(CONF).parts[0]
    option = file.relative_to(CONF / group).with_suffix("").as_posix()
    return f"{MOUNTS.get(group, group)}={option}"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(CONF).as_posix())
def test_file_composes_and_builds(file, tmp_path, request):
    name = file.relative_to(CONF)
    required = REQUIRED.get(name.as_posix(), REQUIRED.get(name.parts[0], []))
    if any("{tiny_model}" in override for override in required):
        model = request.getfixturevalue("tiny_model")
        required = [override.format(tiny_model=model) for override in required]
    config = compose_train(override(file), *required, tmp_path=tmp_path)

    run = build(config)

    assert isinstance(run, Run)
    if file.match("trainer/gpu.yaml") and not torch.cuda.is_available():
        with pytest.raises(UserError, match=r"gpu backend.*trainer=cpu"):
            run.recipe.check(10_000)
    else:
        run.recipe.check(10_000)


@pytest.mark.parametrize(("data", "suite"), suite_names())
def test_suite_has_different_cells_on_its_own_data(data, suite):
    declared = read_suite(data, suite)

    assert len(set(declared.cells)) == len(declared.cells)
    assert declared.published.keys() <= set(declared.cells)
    for cell in declared.cells:
        name = resolved(*cell.split())["data"]["name"]
        assert name.lower().replace("-", "_").replace(".", "_") == data


@pytest.mark.parametrize("cell", CELLS)
def test_cell_of_a_suite_builds(cell):
    assert isinstance(build(compose_train(*cell.split()).copy(), cell.split()), Run)


def test_records_belong_to_a_suite():
    records = sorted(file.relative_to(SUITES) for file in SUITES.glob("*/*.records.yaml"))
    assert len(records) == 8
    for file in records:
        suite = read_suite(file.parent.name, file.name.removesuffix(".records.yaml"))
        assert yaml.safe_load((SUITES / file).read_text()).keys() <= set(suite.cells)


# --- no value without effect ------------------------------------------------------------------------------


@pytest.mark.parametrize("overrides", [*(f"experiment={name}" for name in EXPERIMENTS), *CELLS])
def test_every_value_is_used_by_the_run(overrides):
    assert idle_keys(compose_train(*overrides.split())) == []


@pytest.mark.parametrize("recipe", NAMESAKES)
@pytest.mark.parametrize("key", ["beam_width", "encoder.depth", "stages.warmup.lr"])
def test_value_that_no_part_uses_is_found(recipe, key):
    config = compose_train(f"recipe={recipe}", f"+{key}=1")

    # The run uses whole nodes. A key inside one reaches a class, which refuses an unknown argument.
    assert idle_keys(config) == ([] if key.startswith("encoder") else [key])
    with pytest.raises(UserError, match=key):
        build(config)


def test_value_of_another_recipe_in_a_file_is_refused(tmp_path):
    (tmp_path / "experiment").mkdir()
    text = "# @package _global_\ndefaults:\n  - override /recipe: joint\n  - _self_\nnum_trees: 5\n"
    (tmp_path / "experiment" / "mine.yaml").write_text(text)
    config = compose_train("experiment=mine", f"hydra.searchpath=[file://{tmp_path}]")

    with pytest.raises(UserError, match=r"num_trees has no effect: nothing in this run of Joint uses it"):
        build(config)


@pytest.mark.parametrize("recipe", NAMESAKES)
def test_recipe_equals_the_experiment_of_its_name(recipe):
    assert resolved(f"recipe={recipe}") == resolved(f"experiment={NAMESAKES[recipe]}")


def test_command_without_overrides_trains_eclare():
    assert resolved() == resolved("experiment=eclare")


@pytest.mark.parametrize("recipe", ["ramen", "dual_encoder", "ranked_ramen"])
def test_stage_of_every_recipe_has_the_number_of_workers(recipe):
    config = resolved(f"recipe={recipe}", "num_workers=3")
    assert {stage["num_workers"] for stage in config["stages"].values()} == {3}


def test_joint_shows_at_most_150_lines_of_config():
    assert len(OmegaConf.to_yaml(compose_train("experiment=joint")).splitlines()) <= 150


# --- the text of the files --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "file", sorted([*CONF.rglob("*.yaml"), *SUITES.rglob("*.yaml")]), ids=lambda file: file.stem
)
def test_file_begins_with_a_comment_on_its_purpose(file):
    first = next(line for line in file.read_text().splitlines() if not line.startswith("# @package"))

    assert first.startswith("# "), f"{file}: expected a comment that says what the file is for."


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_experiment_shows_its_command(name):
    text = (CONF / "experiment" / f"{name}.yaml").read_text()

    assert text.startswith("# @package _global_\n")
    assert re.search(rf"^# xcgraph-train experiment={name}( |$)", text, re.MULTILINE)


def test_main_experiments_are_at_the_top():
    top = [name for name in EXPERIMENTS if "/" not in name]
    assert set(top) == {
        "decaf",
        "decaf_lite",
        "eclare",
        "dual_encoder",
        "joint",
        "ramen",
        "ramen_ranker",
        "smoke",
    }


# For each experiment on a published data set: dim, log2 of the meta-labels, beam, and the two learning rates.
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
def test_published_experiments_have_published_values(name, tmp_path):
    dim, levels, beam_size, first_lr, second_lr = PUBLISHED[name]
    config = compose_train(f"experiment=published/{name}", tmp_path=tmp_path)
    stages = [config.stages[stage] for stage in ("surrogate", "shortlister", "ranker")]

    assert name == f"{config.name}_{config.data.name.lower().replace('-', '_').replace('.', '_')}"
    assert (config.encoder.dim, config.encoder.dropout, config.label_dropout) == (dim, 0.2, 0.2)
    assert (config.shortlister.num_meta_labels, config.shortlister.beam_size) == (2**levels, beam_size)
    assert [stage.lr for stage in stages] == [first_lr, second_lr, second_lr]
    assert [stage.max_epochs for stage in stages] == [20, 10, 10]
    assert {stage.batch_size for stage in stages} == {255}
    assert (config.schedule.every_epochs, config.num_trees) == (5, 3)
    build(config).recipe.check(config.data.statistics.labels)


@pytest.mark.parametrize("name", [name for name in PUBLISHED if name.startswith("eclare")])
def test_published_eclare_has_the_published_graph(name, tmp_path):
    config = compose_train(f"experiment=published/{name}", tmp_path=tmp_path)
    graph = config.graph

    assert (graph.walk_length, graph.restart_prob, graph.num_neighbors) == (400, 0.8, 10)
    assert (graph.head_label_threshold, graph.min_similarity) == (500, 0.0)
    assert (config.shortlister.game_mix, config.ranker.game_mix, config.hops) == (0.5, 0.5, 1)
    assert (config.shortlister.join_neighbours, config.fusion.dropout) == (True, 0.2)


PUBLISHED_SETS = [
    file for file in sorted((CONF / "data").glob("*.yaml")) if "download" in yaml.safe_load(file.read_text())
]


def test_seven_published_data_sets_have_a_config():
    assert len(PUBLISHED_SETS) == 7


@pytest.mark.parametrize("file", PUBLISHED_SETS, ids=lambda file: file.stem)
def test_error_of_missing_published_data_names_folder_command_and_page(file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = compose_train(f"data={file.stem}", tmp_path=tmp_path)
    run = build(config)

    with pytest.raises(UserError) as raised:
        run.data.read()

    assert f"data/{config.data.name}" in str(raised.value)
    assert f"xcgraph-data download {config.data.name}" in str(raised.value)
    assert REPOSITORY in str(raised.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("file", PUBLISHED_SETS, ids=lambda file: file.stem)
def test_propensity_constants_equal_the_published_ones(file):
    config = yaml.safe_load(file.read_text())
    constants = {
        "Amazon": (0.6, 2.6),
        "AmazonTitles": (0.6, 2.6),
        "Wikipedia": (0.5, 0.4),
        "WikiTitles": (0.5, 0.4),
    }

    expected = constants.get(config["name"].split("-")[1], (0.55, 1.5))
    assert (config["propensity_a"], config["propensity_b"]) == expected
