"""Tests that each recipe reaches its recorded metrics on the toy data set."""

from dataclasses import replace

import pytest
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf

from xcgraph.cli.check import build
from xcgraph.data.datamodule import XCDataModule

SMALL = (
    "num_trees=2",
    "num_threads=1",
    "encoder.dim=32",
    "shortlister.num_meta_labels=16",
    "shortlister.beam_size=6",
    "ranker.top_k=10",
    "validation.fraction=0.2",
    *(
        f"stages.{stage}.{value}"
        for stage in ("surrogate", "shortlister", "ranker", "encoder", "joint")
        for value in ("max_epochs=4", "batch_size=16", "lr=0.02")
    ),
)
# Further overrides per experiment, because the toy data set has only 40 labels.
EXTRA = {
    "ablation/decaf_ann": ("shortlister.beam_size=12",),
    "joint": ("recipe.top_k=10",),
    "ramen": ("recipe.top_k=10",),
    "ramen_ranker": ("recipe.dual_encoder.top_k=10",),
}
# P@1, P@3 and PSP@5 on the 60 test points in percent, for each recipe and kind of shortlister.
RECORDED = {
    "eclare": (41.7, 30.6, 70.1),
    "ablation/eclare_regularized": (43.3, 31.7, 73.2),
    "decaf": (41.7, 30.0, 71.8),
    "decaf_lite": (38.3, 30.0, 66.1),
    "ablation/decaf_ann": (45.0, 28.9, 74.8),
    "joint": (73.3, 41.7, 86.8),
    "ramen": (81.7, 43.9, 92.0),
    "ramen_ranker": (66.7, 38.3, 79.4),
}


def _has(config, key):
    """Whether a config has a key, which may be null."""
    parent, _, leaf = key.rpartition(".")
    node = OmegaConf.select(config, parent) if parent else config
    return node is not None and leaf in node


def _small(experiment):
    """Return the overrides that the recipe of an experiment has."""
    config = compose("train", [f"experiment={experiment}"])
    extra = EXTRA.get(experiment, ())
    replaced = {override.partition("=")[0] for override in extra}
    keys = ((override.partition("=")[0], override) for override in SMALL)
    known = [override for key, override in keys if _has(config, key) and key not in replaced]
    return [*known, *extra]


class Fixed(XCDataModule):
    """Serves a data set from memory."""

    def __init__(self, data):
        super().__init__(name=data.name, propensity_a=data.propensity_a, propensity_b=data.propensity_b)
        self.data = data

    def read(self):
        return self.data


@pytest.mark.filterwarnings("ignore::UserWarning")  # Lightning's advice
@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("experiment", RECORDED)
def test_recipe_reaches_recorded_metrics(toy, experiment, tmp_path):
    with initialize_config_module("xcgraph.conf", version_base="1.3"):
        folders = (f"paths.root={tmp_path}", f"paths.run={tmp_path}")
        config = compose("train", [f"experiment={experiment}", *_small(experiment), *folders])
    run = replace(build(config), data=Fixed(toy.data))
    metrics = run.execute()["test"]
    found = [100 * metrics[name] for name in ("P@1", "P@3", "PSP@5")]
    # Other processors and versions of torch add in another order. After a few hundred steps this has the same
    # effect as another seed. For comparison, seed 1 gives 38.3, 31.7, 75.6 and 38.3, 29.4, 68.8.
    assert found == pytest.approx(RECORDED[experiment], abs=7)
