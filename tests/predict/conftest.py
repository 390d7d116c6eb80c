"""Small trained models of every kind; each is trained once."""

from dataclasses import replace
from functools import cache, partial

import pytest
import torch

from xcgraph.graph.base import IdentityGraph
from xcgraph.graph.random_walk import RandomWalkGraph
from xcgraph.nn.blocks import GatedResidualBlock
from xcgraph.nn.encoder import BagOfTokens
from xcgraph.nn.fusion import GatedFusion
from xcgraph.nn.label_graph import Propagation
from xcgraph.predict.export import portable
from xcgraph.recipes.models import RankerConfig
from xcgraph.recipes.nearest_shortlister import NearestShortlisterConfig
from xcgraph.recipes.ramen import RankedRamen
from xcgraph.recipes.shortlister import ShortlisterConfig
from xcgraph.tasks.label_text import trained_text

JOINT = ("joint", "joint_ensemble")
KINDS = ("eclare", "three_trees", "no_game", "decaf", "nearest", "ramen", "ranked_ramen", *JOINT)


def make_recipe(toy, kind):
    if kind == "three_trees":  # ranked lists of different lengths
        return toy.recipe(num_trees=3, ranker=RankerConfig(top_k=14, game_mix=0.3))
    if kind == "no_game":
        shortlister = ShortlisterConfig(num_meta_labels=16, num_neighbors=3, beam_size=6, game_mix=0.0)
        return toy.recipe(shortlister=shortlister, ranker=RankerConfig(top_k=10, game_mix=0.0))
    if kind == "decaf":
        parts = {
            "encoder": partial(BagOfTokens, dim=32, block=GatedResidualBlock),
            "propagation": Propagation(hops=0),
            "fusion": GatedFusion,
            "token_embeddings": trained_text,
            "block": GatedResidualBlock,
        }
        return toy.recipe(network=toy.network(**parts), graph=IdentityGraph(), num_trees=2)
    if kind == "nearest":
        return toy.recipe(shortlister=NearestShortlisterConfig(num_meta_labels=16, beam_size=12))
    if kind == "ramen":
        return toy.ramen()
    if kind == "joint":
        return toy.joint()
    if kind == "joint_ensemble":
        return toy.joint(num_models=2, game_mix=0.3)
    if kind == "ranked_ramen":
        base = toy.recipe()
        parts = ("graph", "clustering", "network", "shortlister", "ranker", "stages", "num_trees")
        return RankedRamen(dual_encoder=toy.ramen(), **{part: getattr(base, part) for part in parts})
    return toy.recipe(graph=RandomWalkGraph(walk_length=40, num_neighbors=4))


@pytest.fixture(scope="session")
def trained(toy, tmp_path_factory):
    """Return a function from a kind to a trained model and its portable form, with exact float32 products."""

    @cache
    def train(kind):
        recipe = make_recipe(toy, kind)
        if kind in ("ramen", *JOINT):
            recipe = replace(recipe, stage=replace(recipe.stage, matmul_precision="highest"))
        else:
            stages = recipe.stages
            exact = {
                name: replace(getattr(stages, name), matmul_precision="highest")
                for name in ("surrogate", "shortlister", "ranker")
            }
            recipe = replace(recipe, stages=replace(stages, **exact))
        model = recipe.fit(toy.workspace(tmp_path_factory.mktemp(kind)))
        return model, portable(model, toy.data)

    torch.set_num_threads(1)
    return train
