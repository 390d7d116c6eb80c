"""The catalog finds the groups and keys that Hydra composes."""

import pytest
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf

from xcgraph.cli import sweep  # noqa: F401 - registers the resolver of cells
from xcgraph.cli.catalog import Catalog


def composed_keys(node, path=""):
    for key, value in node.items():
        yield f"{path}{key}"
        if isinstance(value, dict):
            yield from composed_keys(value, f"{path}{key}.")


@pytest.mark.parametrize(
    "choices",
    [
        *({"recipe": recipe} for recipe in Catalog().options("recipe")),
        {"recipe": "eclare", "shortlister": "nearest"},
        {"recipe": "joint", "regularizer": "graph", "anchors": "metadata"},
        {"experiment": "decaf"},
        {"experiment": "ablation/decaf_ann"},
        {"experiment": "data_set/joint_lf_wordnet_40k"},
        {"data": "lf_wordnet_8k_titles", "points": "label_texts_by_propensity", "recipe": "joint"},
    ],
    ids=lambda choices: "-".join(choices.values()),
)
def test_outline_has_the_keys_and_groups_of_the_composed_config(choices):
    overrides = [f"{group}={option}" for group, option in choices.items()]
    with initialize_config_module("xcgraph.conf", version_base="1.3"):
        config = compose("train", [*overrides, "paths.run=/run"], return_hydra_config=True)
    chosen = {
        group: option
        for group, option in config.hydra.runtime.choices.items()
        if not {"hydra", "_shared"} & set(group.split("/"))
    }
    del config.hydra

    outline = Catalog().outline("train", choices)

    assert outline.keys == set(composed_keys(OmegaConf.to_container(config, resolve=False)))
    assert {group: option for group, option in outline.groups.items() if option is not None} == {
        group: option for group, option in chosen.items() if option is not None
    }
