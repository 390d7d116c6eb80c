from dataclasses import dataclass

import numpy as np
import pytest
from scipy.sparse import csr_array

from xcgraph.errors import UserError
from xcgraph.nn.hnsw_retrieval import HnswRetrieval
from xcgraph.nn.retrieval import ExactRetrieval
from xcgraph.recipes import nearest_shortlister
from xcgraph.recipes.keyed import Keyed
from xcgraph.recipes.nearest_shortlister import NearestShortlisterConfig
from xcgraph.recipes.shortlister import TreeInputs
from xcgraph.recipes.shortlists import Shortlister

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # Lightning's advice


@pytest.fixture
def inputs(toy, tmp_path):
    """Untrained inputs; the shortlister must not cluster labels."""
    return TreeInputs(
        work=toy.workspace(tmp_path),
        network=toy.network(),
        stage=toy.stage(),
        encoder=Keyed(toy.tied_task().encoder, "encoder"),
        graph=Keyed(toy.graph, "graph"),
        cluster=lambda _: pytest.fail("There is nothing to cluster."),
        tree=0,
    )


def make_config(**changes):
    return NearestShortlisterConfig(**{"num_meta_labels": 16, "beam_size": 5, "game_mix": 0.0, **changes})


def unit(vectors):
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(norms > 0, norms, 1)


def naive_cosines(inputs, features, text_share):
    """Compute the cosines of points and label vectors by dense products."""
    table = inputs.encoder.value.embedding.weight.detach().numpy().astype(float)
    train, texts = inputs.work.train, inputs.work.label_features.toarray() @ table
    centroids = train.labels.toarray().T @ (train.features.toarray() @ table)
    centroids[train.labels.toarray().sum(axis=0) == 0] = texts[train.labels.toarray().sum(axis=0) == 0]
    centroids = unit(inputs.graph.value.toarray() @ unit(centroids))
    return unit(features.toarray() @ table) @ unit(centroids + text_share * unit(texts)).T


@pytest.mark.parametrize("text_share", [0.0, 0.5])
@pytest.mark.parametrize("beam_size", [1, 5, 16])
def test_beams_are_the_nearest_labels(toy, inputs, beam_size, text_share):
    config = make_config(beam_size=beam_size, text_share=text_share)
    shortlister: Shortlister = config.fit(inputs).value
    assert isinstance(shortlister, Shortlister)
    beams = shortlister.beams(toy.data.test.features)
    cosines = naive_cosines(inputs, toy.data.test.features, text_share)
    best = np.sort(cosines, axis=1)[:, ::-1][:, :beam_size]
    np.testing.assert_allclose(np.exp(beams.log_probability), (1 + best) / 2, atol=1e-5)
    found = np.take_along_axis(cosines, beams.meta_labels.astype(int), axis=1)
    np.testing.assert_allclose(found, best, atol=1e-5)
    assert (beams.meta_labels.dtype, beams.log_probability.dtype) == (np.int32, np.float32)


def test_every_label_is_its_own_meta_label(inputs):
    members = make_config().fit(inputs).value.members
    np.testing.assert_array_equal(members.toarray(), np.eye(40))


def test_game_adds_graph_neighbours(toy, inputs):
    """In this graph each label's only neighbour is the next one."""
    ring = Keyed(csr_array(np.roll(np.eye(40, dtype=np.float32), 1, axis=1)), "ring")
    inputs = TreeInputs(**{**vars(inputs), "graph": ring})
    with_game, without = (
        make_config(game_mix=mix).fit(inputs).value.beams(toy.data.test.features) for mix in (1.0, 0.0)
    )
    np.testing.assert_array_equal(with_game.meta_labels, (without.meta_labels + 1) % 40)


@pytest.mark.parametrize("rows", [1, 7, 60])
def test_beams_do_not_depend_on_the_block_size(toy, inputs, monkeypatch, rows):
    shortlister = make_config().fit(inputs).value
    whole = shortlister.beams(toy.data.test.features)
    monkeypatch.setattr(nearest_shortlister, "_BLOCK_ROWS", rows)
    found = shortlister.beams(toy.data.test.features)
    np.testing.assert_allclose(found.log_probability, whole.log_probability, atol=1e-6)


def test_no_points_give_empty_beams(toy, inputs):
    beams = make_config().fit(inputs).value.beams(toy.data.test.features[:0])
    assert beams.meta_labels.shape == beams.log_probability.shape == (0, 5)


@dataclass(frozen=True)
class Forgetful:
    """A search that finds only the best label."""

    def index(self, vectors):
        def search(points, k):
            labels, values = ExactRetrieval().index(vectors)(points, k)
            labels[:, 1:] = -1
            return labels, values

        return search


def test_search_with_fewer_results_pads_the_beam(toy, inputs):
    beams = make_config(retrieval=Forgetful()).fit(inputs).value.beams(toy.data.test.features)
    whole = make_config().fit(inputs).value.beams(toy.data.test.features)
    np.testing.assert_array_equal(beams.meta_labels[:, 0], whole.meta_labels[:, 0])
    assert (beams.meta_labels[:, 1:] == -1).all()
    assert (beams.log_probability[:, 1:] == 0).all()


def test_approximate_search_agrees_with_exact_search(toy, inputs):
    pytest.importorskip("faiss")
    exact, approximate = (
        make_config(retrieval=retrieval).fit(inputs).value.beams(toy.data.test.features).meta_labels
        for retrieval in (ExactRetrieval(), HnswRetrieval())
    )
    shared = [len(set(one) & set(other)) for one, other in zip(exact, approximate, strict=True)]
    assert np.mean(shared) > 4.9


def test_key_depends_on_the_settings_of_the_beams(inputs):
    changes = [
        {},
        {"beam_size": 6},
        {"game_mix": 0.5},
        {"text_share": 0.25},
        {"retrieval": ExactRetrieval(block_size=7)},
    ]
    keys = [make_config(**change).fit(inputs).key for change in changes]
    assert len(set(keys)) == len(changes)
    assert make_config(join_neighbours=True).fit(inputs).key == keys[0]
    other = TreeInputs(**{**vars(inputs), "encoder": Keyed(inputs.encoder.value, "other")})
    assert make_config().fit(other).key not in keys


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"text_share": -0.1}, r"text_share must be ≥ 0, got -0\.1"),
        ({"beam_size": 0}, "beam_size must be ≥ 1"),
    ],
)
def test_value_out_of_range(changes, message):
    with pytest.raises(UserError, match=message):
        make_config(**changes)


def test_end_to_end(toy, tmp_path):
    recipe = toy.recipe(shortlister=make_config(beam_size=12), num_trees=2)
    work = toy.workspace(tmp_path)
    scores = recipe.fit(work).score(toy.data.test.features)
    assert {"tree-0-beams-train", "tree-1-ranker", "surrogate"} <= work.store.used.keys()
    assert not any("shortlister" in name or "tree-0-clusters" in name for name in work.store.used)
    best = np.asarray(scores.argmax(axis=1)).ravel()
    hits = toy.data.test.labels.toarray()[np.arange(60), best]
    assert hits.mean() > 0.3
