import numpy as np
import pytest
import torch
from scipy.sparse import csr_array

from xcgraph.clustering.balanced import BalancedTree
from xcgraph.errors import UserError
from xcgraph.graph.game import meta_graph
from xcgraph.recipes.shortlister import ShortlisterConfig, TreeShortlister, meta_points
from xcgraph.recipes.shortlists import BeamConfig, Shortlister, shortlist, unlabelled
from xcgraph.tasks.label_network import LabelInputs

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # Lightning's advice


@pytest.fixture(scope="module")
def parts(toy):
    """An untrained task over meta-labels, its stage, the clusters and their graph."""
    metas = toy.meta_labels
    graph = meta_graph(toy.graph, metas.membership(), 4)
    torch.manual_seed(0)
    labels = LabelInputs(metas.meta_features(toy.data.label_features), graph)
    trained = toy.network().surrogate.build(labels, 0.2).encoder
    task = toy.network().build(labels, 0.2, trained).eval()
    return task, toy.stage(), metas, graph


def keep_best(dense, k):
    kept = np.zeros_like(dense)
    best = np.argsort(-dense, axis=1, kind="stable")[:, :k]
    np.put_along_axis(kept, best, np.take_along_axis(dense, best, axis=1), axis=1)
    return kept


def naive_beams(task, graph, config, targets):
    """Score every meta-label, expand the beam by dense products and sort."""
    beam, mix = config.beam_size, config.game_mix
    with torch.no_grad():
        probability = torch.sigmoid(task(targets[np.arange(len(targets))])).numpy()
    scores = keep_best(probability, beam)
    spread = keep_best(scores @ graph.toarray(), beam)
    expanded = (1 - mix) * scores + mix * spread
    order = np.argsort(-expanded, axis=1, kind="stable")[:, :beam]
    return order, np.take_along_axis(expanded, order, axis=1)


@pytest.mark.parametrize("game_mix", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("beam_size", [1, 3, 8])
def test_beams_match_a_naive_computation(toy, parts, beam_size, game_mix):
    task, _, metas, graph = parts
    config = BeamConfig(beam_size=beam_size, game_mix=game_mix)
    beams = TreeShortlister(*parts, config).beams(toy.data.test.features)
    meta_labels, probability = naive_beams(task, graph, config, meta_points(toy.data.test, metas))
    kept = probability > 0
    assert beams.meta_labels.shape == beams.log_probability.shape == (60, beam_size)
    assert beams.meta_labels.dtype == np.int32
    assert beams.log_probability.dtype == np.float32
    np.testing.assert_array_equal(beams.meta_labels, np.where(kept, meta_labels, -1))
    np.testing.assert_allclose(np.exp(beams.log_probability)[kept], probability[kept], rtol=1e-4)
    assert np.all(beams.log_probability[~kept] == 0)


def test_game_adds_neighbours_of_meta_labels(toy, parts):
    """In this graph each meta-label's only neighbour is the next one."""
    task, stage, metas, _ = parts
    ring = csr_array(np.roll(np.eye(8, dtype=np.float32), 1, axis=1))
    configs = (BeamConfig(beam_size=2, game_mix=mix) for mix in (1.0, 0.0))
    with_game, without = (
        TreeShortlister(task, stage, metas, ring, config).beams(toy.data.test.features) for config in configs
    )
    np.testing.assert_array_equal(with_game.meta_labels, (without.meta_labels + 1) % 8)
    np.testing.assert_allclose(with_game.log_probability, without.log_probability, rtol=1e-5)


def test_shortlist_contains_the_members_of_the_beam(toy, parts):
    shortlister: Shortlister = TreeShortlister(*parts, BeamConfig(beam_size=2, game_mix=0.5))
    assert isinstance(shortlister, Shortlister)
    beams = shortlister.beams(toy.data.test.features)
    batch = shortlist(toy.data.test, shortlister, beams)[np.arange(60)]
    for point, positions in enumerate(batch.shortlist.positions):
        labels = batch.shortlist.label_ids[positions[positions >= 0]].numpy()
        expected = np.flatnonzero(np.isin(toy.meta_labels.assignment, beams.meta_labels[point]))
        assert sorted(labels) == expected.tolist()


def test_meta_labels_of_the_labels_of_a_point_are_positive(toy):
    batch = meta_points(toy.data.test, toy.meta_labels)[np.arange(60)]
    for point in range(60):
        found = batch.labels.ids[batch.labels.offsets[point] : batch.labels.offsets[point + 1]]
        labels = toy.data.test.labels[[point]].indices
        assert found.tolist() == np.unique(toy.meta_labels.assignment[labels]).tolist()


def test_unlabelled_points_have_text_and_no_labels(toy):
    features = toy.data.test.features
    split = unlabelled(features, 7)
    assert split.features is features
    assert split.labels.shape == (60, 7)
    assert split.labels.nnz == len(split.filter_pairs) == 0


# --- settings -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("num_labels", "labels_per_meta_label", "expected"),
    [
        (1, 4, 1),
        (3, 4, 1),
        (4, 4, 1),
        (8, 4, 2),
        (15, 4, 2),
        (16, 4, 4),
        (40, 4, 8),
        (8436, 4, 2048),
        (131_073, 4, 32_768),
        (131_073, 8, 16_384),
        (40, 1, 32),
        (40, 100, 1),
    ],
)
def test_number_of_meta_labels_is_a_power_of_two(num_labels, labels_per_meta_label, expected):
    config = ShortlisterConfig(labels_per_meta_label=labels_per_meta_label, beam_size=1)
    assert config.count_meta_labels(num_labels) == expected
    assert num_labels / expected >= min(labels_per_meta_label, num_labels)


@pytest.mark.parametrize("num_labels", [4, 40, 8436])
def test_num_meta_labels_sets_the_number_of_meta_labels(num_labels):
    assert ShortlisterConfig(num_meta_labels=64, beam_size=4).count_meta_labels(num_labels) == 64


@pytest.mark.parametrize(
    ("changes", "num_labels", "beam", "clusters"),
    [
        ({"beam_size": 9, "num_meta_labels": 8}, 40, "9 → 8", None),
        ({"beam_size": 9, "num_meta_labels": 64}, 7, "9 → 7", "64 → 8"),
        ({"beam_size": 7, "num_meta_labels": 64}, 7, None, "64 → 8"),
        ({"beam_size": 9}, 40, "9 → 8", None),
        ({"beam_size": 2}, 3, "2 → 1", None),
        ({"beam_size": 50}, 1, "50 → 1", None),
        ({"beam_size": 5000, "num_meta_labels": 4096}, 1, "5,000 → 1", "4,096 → 1"),
        ({"beam_size": 8}, 40, None, None),
        ({"beam_size": 8, "num_meta_labels": 64}, 40, None, None),
        ({"beam_size": 1, "num_meta_labels": 128}, 65, None, None),
    ],
)
def test_beam_and_clusters_are_lowered_to_the_labels(changes, num_labels, beam, clusters):
    config = ShortlisterConfig(**changes)
    expected = {"shortlister.num_meta_labels": clusters, "shortlister.beam_size": beam}

    sized, notes = config.sized(num_labels)

    assert notes == tuple(f"{key} {change}" for key, change in expected.items() if change)
    assert sized.beam_size <= min(sized.count_meta_labels(num_labels), num_labels)
    assert sized.sized(num_labels) == (sized, ())
    assert notes or sized == config


@pytest.mark.parametrize("num_labels", [1, 2, 7, 40])
def test_fewer_empty_clusters_leave_the_clusters_as_they_are(num_labels):
    vectors = np.random.default_rng(0).normal(size=(num_labels, 5)).astype(np.float32)
    config = ShortlisterConfig(num_meta_labels=1024)
    counts = [part.count_meta_labels(num_labels) for part in (config, config.sized(num_labels)[0])]

    many, few = (BalancedTree().fit(vectors, count, seed=0) for count in counts)

    assert counts[0] == 1024 > counts[1]
    np.testing.assert_array_equal(many, few)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        *(
            (name, value, f"must be ≥ 1, got {value}")
            for name in ("beam_size", "num_neighbors")
            for value in (0, -3)
        ),
        ("labels_per_meta_label", 0, "must be ≥ 1, got 0"),
        ("game_mix", -0.1, r"must lie in \[0, 1\], got -0\.1"),
        ("game_mix", 1.5, r"must lie in \[0, 1\], got 1\.5"),
        ("game_mix", float("nan"), r"must lie in \[0, 1\], got nan"),
        *(("num_meta_labels", value, f"must be a power of two, got {value}") for value in (0, -4, 3, 48)),
    ],
)
def test_value_out_of_range(name, value, message):
    with pytest.raises(UserError, match=rf"shortlister\.{name} {message}"):
        ShortlisterConfig(**{name: value})
