"""An impossible config is refused before any data is read."""

import re

import pytest
from hydra import compose, initialize_config_module
from hydra.errors import HydraException

from xcgraph.cli.check import build
from xcgraph.cli.refusals import explain
from xcgraph.errors import UserError

REFUSED = {
    "+grpah.foo=1": "Unknown key grpah: did you mean graph",
    "+graph.walk_lenght=1": r"^Unknown key graph\.walk_lenght: did you mean graph\.walk_length",
    "+recipe.abc=1": r"Unknown key recipe\.abc: known keys are anchors, clustering, first_tree, graph",
    "graph.num_neighbors=many": r"^graph\.num_neighbors='many': the value should be a valid integer",
    "graph.num_neighbors=0": r"graph\.num_neighbors must be at least 1, found 0",
    "data.parts_of_speech=[verb,nuon]": r"data\.parts_of_speech: expected some of .* found nuon",
    "data.parts_of_speech=verb": r"data\.parts_of_speech='verb': the value",
    "hops=-1": "hops must be ≥ 0, got -1",
    "hops=two": "^hops='two': the value should be a valid integer",
    "seed=1.5": r"^seed=1\.5: the value should be a valid integer",
    "seed=-1": "seed must be ≥ 0, got -1",
    "num_threads=0": "num_threads must be ≥ 1, got 0",
    "matmul_precision=low": "matmul_precision must be one of highest, high, medium, got low",
    "num_trees=0": "num_trees must be ≥ 1, got 0",
    "encoder.dim=0": r"encoder\.dim must be ≥ 1, got 0",
    "encoder.dropout=1.5": r"must lie in \[0, 1\), got 1\.5",
    "fusion.dropout=-0.1": r"must lie in \[0, 1\), got -0\.1",
    "label_dropout=1.0": r"must lie in \[0, 1\), got 1\.0",
    "shortlister.num_meta_labels=100": "num_meta_labels must be a power of two, got 100",
    "shortlister.beam_size=0": r"shortlister\.beam_size must be ≥ 1, got 0",
    "shortlister.game_mix=1.1": r"game_mix must lie in \[0, 1\], got 1\.1",
    "ranker.top_k=-1": r"ranker\.top_k must be ≥ 1, got -1",
    "experiment=joint negatives.max_scores=0": r"negatives\.max_scores must be ≥ 1, got 0",
    "experiment=joint negatives.num_negatives=0": r"negatives\.num_negatives must be ≥ 1, got 0",
    "validation.fraction=0.0": r"validation\.fraction must lie in \(0, 1\), got 0\.0",
    "stages.ranker.lr=0.0": r"lr must be > 0, got 0\.0",
    "stages.surrogate.max_epochs=0": "max_epochs must be ≥ 1, got 0",
    "schedule.warmup_epochs=5.0": "warmup_epochs=5.0 must be less than max_epochs, 5",
    "trainer.accelerator=abacus": "invalid accelerator name",
    "trainer.precision=half": r"trainer\.precision='half'",
    "stages.ranker.callbacks=[3]": r"stages\.ranker\.callbacks=\[3\]: the value should be callable",
    "stages.ranker.callbacks=[{_target_:torch.nn.Linear,lr:1}]": r"Unknown key stages.*callbacks\.0\.lr",
    "+optimizer.betas=[0.9]": r"optimizer\.betas=\[0\.9\]",
}


def check(tmp_path, *overrides):
    with initialize_config_module("xcgraph.conf", version_base="1.3"):
        run = build(compose("train", [*overrides, f"paths.run={tmp_path}"]), overrides)
    run.recipe.check(run.data.statistics["labels"])


@pytest.mark.parametrize("override", REFUSED)
def test_impossible_value_is_refused(override, tmp_path):
    with pytest.raises(UserError, match=REFUSED[override]):
        check(tmp_path, *override.split())


@pytest.mark.parametrize(
    "override",
    [
        "encoder.dropout=0.0",
        "shortlister.num_meta_labels=1024",
        "hops=3",
        "shortlister.beam_size=5000",  # more than there are: all are taken
        "ranker.top_k=9000",
        "++refinement.sparse_gradients=false",
    ],
)
def test_possible_value_is_accepted(override, tmp_path):
    check(tmp_path, override)


# Values that a recipe does not have. Hydra cannot compose them, and the message names what the recipe has.
FOREIGN = {
    "experiment=joint num_trees=5": r"recipe joint has no num_trees .*eclare, .*recipe\.num_models",
    "experiment=joint shortlister.beam_size=7": r"no shortlister\.beam_size .*eclare.*recipe\.top_k",
    "experiment=joint stages.ranker.lr=0.1": r"recipe joint has no stages\.ranker\.lr .*stages\.joint\.lr",
    "experiment=joint ranker.top_k=3": r"recipe joint has no ranker\.top_k .*recipe\.top_k",
    "experiment=joint smooth_centroids=false": r"recipe joint has no smooth_centroids .*eclare.*own_text",
    "experiment=joint meta_text=joined_texts": r"joint has no group meta_text .*groups are anchors, .*points",
    "experiment=joint positives=augmented": r"recipe joint has no group positives .*ramen",
    "experiment=ramen fusion=mean": r"recipe ramen has no group fusion .*joint.*anchors, .*positives",
    "experiment=ramen hops=3": r"recipe ramen has no hops .*eclare, joint.*recipe\.top_k",
    "experiment=ramen refinement=none": "recipe ramen has no group refinement .*joint",
    "experiment=ramen likelihood=softmax": "recipe ramen has no group likelihood .*joint",
    "experiment=ramen token_embeddings=trained": "recipe ramen has no group token_embeddings .*joint",
    "experiment=dual_encoder anchors=label_graph": r"dual_encoder has no group anchors .*ramen.*encoder",
    "experiment=ramen_ranker stages.surrogate.lr=1": r"ranked_ramen has no stages\.surrogate\.lr .*eclare",
    "experiment=eclare points=label_texts": r"recipe eclare has no group points \(recipes with it: joint\)",
    "experiment=eclare negatives=shared": r"recipe eclare has no group negatives \(recipes with it: joint\)",
    "experiment=eclare positives=augmented": "recipe eclare has no group positives .*ramen",
    "experiment=eclare stages.joint.lr=5": r"recipe eclare has no stages\.joint\.lr .*joint",
    "experiment=eclare triplets.margin=9": r"no triplets\.margin with regularizer=none \(.*=graph",
    "experiment=eclare pruning=none": r"has no group pruning with regularizer=none \(regularizer=graph",
    "experiment=eclare regularizer_weight.value=1": r"no regularizer_weight\.value with .*regularizer=graph",
    "experiment=eclare retrieval=hnsw": r"no group retrieval with shortlister=tree \(shortlister=nearest",
    "experiment=eclare shortlister.text_share=1": r"no shortlister\.text_share with shortlister=tree",
    "shortlister=nearest meta_text=joined_texts": r"no group meta_text with shortlister=nearest \(.*=tree",
    "shortlister=nearest stages.shortlister.lr=1": r"no stages\.shortlister\.lr with shortlister=nearest",
    "experiment=decaf shortlister=nearest": "experiment/.*decaf.* group meta_text, which recipe eclare",
    "expriment=joint": r"Unknown key expriment: did you mean experiment\?",
    "graph.num_neighbour=5": r"Unknown key graph\.num_neighbour: did you mean graph\.num_neighbors\?",
    "fussion=mean": r"Unknown key fussion: did you mean fusion\?",
    "num_tree=5": r"Unknown key num_tree: did you mean num_trees\?",
    "propagation=none": r"Unknown key propagation: did you mean hops\?",
    "no_such_thing=1": r"Unknown key no_such_thing: xcgraph-train --cfg job",
    "fusion=atention": r"fusion=atention: did you mean attention\? .*concat, gated",
    "experiment=eclare_no_graph": r"did you mean ablation/eclare_no_graph\? .*joint",
    "experiment=published/": r"the options are .*published/eclare_lf_amazontitles_131k",
    "smoke": "smoke: expected key=value",
    "-m experiment=eclare,ramen fusion=mean,gated": "recipe ramen has no group fusion",
    "-m experiment=eclare,joint num_trees=1,2": "recipe joint has no num_trees",
}


@pytest.mark.parametrize("line", FOREIGN)
def test_value_that_the_recipe_does_not_have_is_refused(line):
    arguments = line.removeprefix("-m ").split()
    cell = [each.split(",")[0] if "experiment" not in each else each.split(",")[-1] for each in arguments]
    with (
        pytest.raises(HydraException) as raised,
        initialize_config_module("xcgraph.conf", version_base="1.3"),
    ):
        compose("train", cell)

    sentence = explain(raised.value, "train", line.split())

    assert re.search(FOREIGN[line], sentence), sentence
    assert "\n" not in sentence
    assert not re.search("append to your|override '", sentence)


# Values that compose, but that no part uses.
USELESS = {
    "graph=none": r"hops=1 has no effect with graph=none: set hops=0",
    "recipe=joint graph=none hops=2": r"hops=2 has no effect with graph=none",
    "graph=none hops=0 smooth_centroids=false": "smooth_centroids=false has no effect with graph=none",
    "anchors=label_graph": r"anchors have no effect.*anchors=none or regularizer=graph",
    "recipe=joint anchors=label_graph": r"anchors have no effect.*anchors=none or regularizer=graph",
    "recipe=ramen regularizer=none": r"anchors have no effect.*positives=augmented",
    "recipe=ramen regularizer=none anchors=none graph=ppr": r"graph\..* has no effect.*Ramen",
    "recipe=ramen regularizer=none anchors=none graph.num_neighbors=5": r"graph\..* has no effect.*Ramen",
    "recipe=ramen encoder=sum_of_tokens block=gated_residual": r"block\..* has no effect.*Ramen",
    "data=synthetic text=subwords": r"text\..* has no effect.*Eclare",
    "experiment=ablation/decaf_text_only fusion=mean": "fusion has no effect.*single view",
    "+pruning=none": r"pruning\..* has no effect.*Eclare",
}


@pytest.mark.parametrize("line", USELESS)
def test_value_without_effect_is_refused(line, tmp_path):
    with pytest.raises(UserError, match=USELESS[line]):
        check(tmp_path, *line.split())


@pytest.mark.parametrize(
    "line",
    [
        "recipe=ramen encoder=sum_of_tokens",
        "recipe=ramen regularizer=none anchors=none",
        "recipe=ramen regularizer=none positives=augmented",
        "graph=none hops=0",
    ],
)
def test_group_that_the_user_has_not_set_may_be_without_effect(line, tmp_path):
    check(tmp_path, *line.split())
