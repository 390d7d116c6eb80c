from dataclasses import fields

import numpy as np
import pytest
import torch

from xcgraph.errors import UserError
from xcgraph.metrics.evaluate import evaluate_scores
from xcgraph.recipes.ramen import RankedRamen

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # Lightning's advice


def make_recipe(toy, **changes):
    ranker = toy.recipe()
    parts = {field.name: getattr(ranker, field.name) for field in fields(ranker)}
    return RankedRamen(**parts, dual_encoder=toy.ramen(**changes))


def test_ranker_works_on_the_embeddings_of_the_dual_encoder(toy, tmp_path):
    work = toy.workspace(tmp_path)
    model = make_recipe(toy).fit(work)
    assert {"dual-encoder", "tree-0-ranker"} <= work.store.used.keys()
    assert "surrogate" not in work.store.used
    embeddings = toy.ramen().encoder(work).value.embedding.weight
    assert torch.equal(model.members[0].ranker.task.encoder.embedding.weight, embeddings)
    scores = model.score(toy.data.test.features)
    assert evaluate_scores(scores, toy.data.test, inverse_propensity=None)["P@1"] > 0.3
    assert np.isfinite(scores.data).all()


def test_both_halves_are_checked(toy):
    with pytest.raises(UserError, match=r"recipe\.top_k=41 is larger"):
        make_recipe(toy, top_k=41).check(40)
    with pytest.raises(UserError, match="beam_size=6 is larger"):
        make_recipe(toy).check(5)
