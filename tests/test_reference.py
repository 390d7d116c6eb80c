"""Each recipe, as its experiment says, on a made-up data set, against the numbers that it had before."""

from dataclasses import replace

import pytest
from hydra import compose, initialize_config_module

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
        for stage in ("surrogate", "shortlister", "ranker")
        for value in ("max_epochs=4", "batch_size=16", "lr=0.02")
    ),
)
# P@1, P@3 and PSP@5 of the 60 test points, in percent.
RECORDED = {
    "eclare": (41.7, 30.6, 70.1),
    "decaf": (41.7, 30.0, 71.8),
}


class Fixed(XCDataModule):
    """Data that are there already."""

    def __init__(self, data):
        super().__init__(name=data.name, propensity_a=data.propensity_a, propensity_b=data.propensity_b)
        self.data = data

    def read(self):
        return self.data


@pytest.mark.filterwarnings("ignore::UserWarning")  # Lightning's advice
@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("experiment", RECORDED)
def test_recipe_reaches_what_it_did(toy, experiment, tmp_path):
    with initialize_config_module("xcgraph.conf", version_base="1.3"):
        folders = (f"paths.root={tmp_path}", f"paths.run={tmp_path}")
        config = compose("train", [f"experiment={experiment}", *SMALL, *folders])
    run = replace(build(config, "train"), data=Fixed(toy.data))
    metrics = run.execute()["test"]
    found = [100 * metrics[name] for name in ("P@1", "P@3", "PSP@5")]
    # Other processors and versions of torch add in another order, which after a few hundred steps is as good
    # as another seed: seed 1 has 38.3, 31.7, 75.6 and 38.3, 29.4, 68.8.
    assert found == pytest.approx(RECORDED[experiment], abs=7)
