"""What cannot be is refused before any data is read."""

import pytest
from hydra import compose, initialize_config_module

from xcgraph.cli.check import build
from xcgraph.errors import UserError

REFUSED = {
    "+grpah.foo=1": "Unknown key grpah: did you mean graph",
    "+graph.walk_lenght=1": r"Unknown key graph\.walk_lenght: did you mean graph\.walk_length",
    "+recipe.abc=1": r"Unknown key recipe\.abc: known are anchors, clustering, first_tree, graph",
    "graph.num_neighbors=many": r"graph\.num_neighbors='many': the value should be a valid integer",
    "graph.num_neighbors=0": r"graph\.num_neighbors must be at least 1, found 0",
    "data.parts_of_speech=[verb,nuon]": r"data\.parts_of_speech: expected some of .* found nuon",
    "data.parts_of_speech=verb": r"data\.parts_of_speech='verb': the value",
    "hops=-1": "hops must be ≥ 0, got -1",
    "hops=two": "hops='two': the value should be a valid integer",
    "seed=1.5": r"seed=1\.5: the value should be a valid integer",
    "seed=-1": "seed must be ≥ 0, got -1",
    "num_threads=0": "num_threads must be ≥ 1, got 0",
    "matmul_precision=low": "matmul_precision must be one of highest, high, medium, got low",
    "num_trees=0": "num_trees must be ≥ 1, got 0",
    "encoder.dim=0": r"encoder\.dim must be ≥ 1, got 0",
    "encoder.dropout=1.5": r"must lie in \[0, 1\), got 1\.5",
    "fusion.dropout=-0.1": r"must lie in \[0, 1\), got -0\.1",
    "label_dropout=1.0": r"must lie in \[0, 1\), got 1\.0",
    "shortlister.num_meta_labels=100": "num_meta_labels must be a power of two, got 100",
    "shortlister.beam_size=5000": "beam_size=5000 is larger than the number of meta-labels, 4096",
    "shortlister.game_mix=1.1": r"game_mix must lie in \[0, 1\], got 1\.1",
    "ranker.top_k=9000": "top_k=9000 is larger than the number of labels, 8436",
    "validation.fraction=0.0": r"validation\.fraction must lie in \(0, 1\), got 0\.0",
    "stages.ranker.lr=0.0": r"lr must be > 0, got 0\.0",
    "stages.surrogate.max_epochs=0": "max_epochs must be ≥ 1, got 0",
    "schedule.warmup_epochs=5.0": "warmup_epochs=5.0 must be less than max_epochs, 5",
    "trainer.accelerator=abacus": "invalid accelerator name",
    "trainer.precision=half": r"trainer\.precision='half'",
    "stages.joint.callbacks=[3]": r"stages\.joint\.callbacks=\[3\]: the value should be callable",
    "stages.joint.callbacks=[{_target_:torch.nn.Linear,lr:1}]": r"Unknown key stages.*callbacks\.0\.lr",
    "+optimizer.betas=[0.9]": r"optimizer\.betas=\[0\.9\]",
}


def check(tmp_path, override):
    with initialize_config_module("xcgraph.conf", version_base="1.3"):
        run = build(compose("train", [override, f"paths.run={tmp_path}"]), "train")
    run.recipe.check(run.data.statistics["labels"])


@pytest.mark.parametrize("override", REFUSED)
def test_refused(override, tmp_path):
    with pytest.raises(UserError, match=REFUSED[override]):
        check(tmp_path, override)


@pytest.mark.parametrize(
    "override",
    ["encoder.dropout=0.0", "shortlister.num_meta_labels=1024", "hops=3"],
)
def test_accepted(override, tmp_path):
    check(tmp_path, override)
