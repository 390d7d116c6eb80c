import numpy as np
import pytest
import torch

from xcgraph.errors import UserError
from xcgraph.recipes.models import Ranker, RankerConfig

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # Lightning's advice


def keep_best(dense, k):
    kept = np.zeros_like(dense)
    best = np.argsort(-dense, axis=1, kind="stable")[:, :k]
    np.put_along_axis(kept, best, np.take_along_axis(dense, best, axis=1), axis=1)
    return kept


def naive_scores(task, targets, graph, config):
    """σ(h_m·x̂) · σ(w_l·x̂) of the shortlisted labels, then GAME by dense products."""
    batch = targets[np.arange(len(targets))]
    with torch.no_grad():
        probability = torch.sigmoid(task(batch)) * batch.shortlist.log_prior.exp()
    scores = np.zeros((len(targets), targets.num_labels), np.float32)
    for point, positions in enumerate(batch.shortlist.positions):
        for column, position in enumerate(positions):
            if position >= 0:
                scores[point, batch.shortlist.label_ids[position]] = probability[point, column]
    scores = keep_best(scores, config.top_k)
    spread = keep_best(scores @ graph.toarray(), config.top_k)
    return keep_best((1 - config.game_mix) * scores + config.game_mix * spread, config.top_k)


@pytest.mark.parametrize("game_mix", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("top_k", [1, 5, 40])
def test_scores_equal_the_naive_ones(toy, top_k, game_mix):
    config = RankerConfig(top_k=top_k, game_mix=game_mix)
    task, targets = toy.frozen_task().eval(), toy.shortlisted(toy.data.test)
    found = Ranker(task=task, stage=toy.stage(), graph=toy.graph, config=config).score(targets)
    expected = naive_scores(task, targets, toy.graph, config)
    assert found.dtype == np.float32
    assert np.diff(found.indptr).max() <= top_k
    np.testing.assert_allclose(found.toarray(), expected, rtol=1e-4, atol=1e-7)


def test_game_finds_labels_that_are_not_on_the_shortlist(toy):
    targets = toy.shortlisted(toy.data.test, beam_size=1)
    task = toy.frozen_task().eval()
    with_game, without = (
        Ranker(
            task=task, stage=toy.stage(), graph=toy.graph, config=RankerConfig(top_k=40, game_mix=mix)
        ).score(targets)
        for mix in (0.5, 0.0)
    )
    assert without.nnz == 60 * 5
    assert with_game.nnz > without.nnz


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("top_k", 0, "must be ≥ 1, got 0"),
        ("top_k", -1, "must be ≥ 1, got -1"),
        ("game_mix", -0.5, r"must lie in \[0, 1\], got -0\.5"),
        ("game_mix", 1.01, r"must lie in \[0, 1\], got 1\.01"),
        ("game_mix", float("nan"), r"must lie in \[0, 1\], got nan"),
    ],
)
def test_value_out_of_range(name, value, message):
    with pytest.raises(UserError, match=rf"ranker\.{name} {message}"):
        RankerConfig(**{name: value})
