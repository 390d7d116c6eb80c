"""A portable model gives the scores of the trained model."""

import numpy as np
import pytest

from xcgraph.predict.engine import Engine
from xcgraph.sparse import top_k_rows

from .conftest import KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_scores_match_the_trained_model(kind, trained, toy):
    model, portable = trained(kind)
    features, k = toy.data.test.features, portable.top_k
    labels, scores = top_k_rows(model.score(features), k)

    found = Engine(portable).top(features, k)

    np.testing.assert_array_equal(found.labels[:, :5], labels[:, :5])
    np.testing.assert_allclose(found.scores[:, :5], scores[:, :5], atol=2e-6)
    # Further down, labels with almost equal scores may change places.
    assert (found.labels == labels).mean() > 0.99
    filled = np.isfinite(scores)
    np.testing.assert_array_equal(found.labels >= 0, filled)
    np.testing.assert_allclose(found.scores[filled], scores[filled], atol=2e-6)
    assert (found.scores[~filled] == 0).all()


@pytest.mark.parametrize("kind", ["three_trees", "ramen"])
def test_scores_do_not_depend_on_other_points(kind, trained, toy):
    _, portable = trained(kind)
    engine, features = Engine(portable), toy.data.train.features
    many = features[np.arange(600) % features.shape[0]]  # three blocks

    found = engine.top(many, 5)

    for row in (0, 199, 255, 256, 599):
        alone = engine.top(many[[row]], 5)
        np.testing.assert_array_equal(alone.labels[0], found.labels[row])
        np.testing.assert_allclose(alone.scores[0], found.scores[row], atol=1e-6)


def test_no_points_give_no_labels(trained, toy):
    found = Engine(trained("eclare")[1]).top(toy.data.test.features[:0], 3)

    assert found.labels.shape == found.scores.shape == (0, 3)


def test_empty_text_matches_the_trained_model(trained, toy):
    model, portable = trained("eclare")
    features = toy.data.test.features[:8].copy()
    features.data[:] = 0
    features.eliminate_zeros()

    found = Engine(portable).top(features, 5)

    _, scores = top_k_rows(model.score(features), 5)
    np.testing.assert_allclose(found.scores, scores, atol=2e-6)


def test_trees_share_frozen_embeddings(trained):
    for kind, tables in (("three_trees", 1), ("decaf", 4), ("nearest", 1)):
        scorings = trained(kind)[1].scorings()
        assert len({id(scoring.encoder.embedding) for scoring in scorings}) == tables
