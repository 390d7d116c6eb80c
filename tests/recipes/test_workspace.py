from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array

from xcgraph.data.batching import AllLabelsDataset
from xcgraph.data.metadata import GraphMetadata
from xcgraph.errors import UserError
from xcgraph.metrics.evaluate import training_inverse_propensity
from xcgraph.nn.encoder import BagOfTokens
from xcgraph.recipes.workspace import embed
from xcgraph.tasks.label_network import LabelInputs
from xcgraph.training.stage import Stage

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # Lightning's advice


@pytest.fixture
def numbered(toy):
    """The toy data with each training point's number as the weight of its first token."""
    features = toy.data.train.features.toarray()
    features[:, 0] = np.arange(1, len(features) + 1)
    train = replace(toy.data.train, features=csr_array(features))
    return replace(toy.data, train=train)


def point_numbers(split):
    return split.features.toarray()[:, 0].astype(int).tolist()


# --- the split ------------------------------------------------------------------------------------------


def test_validation_points_are_training_points_that_are_not_learned_from(toy, numbered, tmp_path):
    work = toy.workspace(tmp_path, data=numbered)
    learned, validated = point_numbers(work.train), point_numbers(work.valid)
    assert len(validated) == 40
    assert sorted(learned + validated) == list(range(1, 201))


def test_test_points_are_out_of_reach(toy, tmp_path):
    work = toy.workspace(tmp_path)
    shown = {id(value) for value in vars(work).values()}
    assert id(toy.data.test) not in shown
    assert id(toy.data) not in shown
    assert len(work.train) + len(work.valid) == len(toy.data.train)


def test_metadata_keeps_to_the_points_to_learn_from(toy, numbered, tmp_path):
    """Each training point is linked to the anchor of its own number."""
    numbers = csr_array(np.diag(np.arange(1, 201)).astype(np.float32))
    of_labels = csr_array(np.ones((40, 200), np.float32))
    graph = GraphMetadata(train=numbers, test=csr_array((60, 200), dtype=np.float32), labels=of_labels)
    work = toy.workspace(tmp_path, data=replace(numbered, metadata={"own": graph}))
    assert work.metadata.keys() == {"own"}
    assert work.metadata["own"].train.toarray().max(axis=1).astype(int).tolist() == point_numbers(work.train)
    assert work.metadata["own"].test is None
    assert work.metadata["own"].labels is of_labels


def test_validation_points_depend_on_their_own_seed_only(toy, numbered, tmp_path):
    def validated(**changes):
        return point_numbers(toy.workspace(tmp_path, data=numbered, **changes).valid)

    assert validated() == validated(seed=7)
    assert validated() != validated(validation_seed=7)
    assert len(validated(validation_fraction=0.1)) == 20


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.5, 0.001])
def test_validation_fraction_out_of_range(toy, tmp_path, fraction):
    with pytest.raises(UserError, match=f"validation_fraction.*{fraction}"):
        toy.workspace(tmp_path, validation_fraction=fraction)


def test_propensities_count_all_training_points(toy, tmp_path):
    work = toy.workspace(tmp_path)
    assert torch.equal(work.inverse_propensity, training_inverse_propensity(toy.data))
    assert work.num_labels == 40
    assert work.label_metrics().top_k == (1, 3, 5)


# --- keys and seeds -------------------------------------------------------------------------------------


def test_data_key_changes_with_data_and_split_and_only_then(toy, numbered, tmp_path):
    def key(**changes):
        return toy.workspace(tmp_path, **changes).data_key

    changed = replace(toy.data, propensity_a=0.6)
    others = [
        key(data=numbered),
        key(data=changed),
        key(validation_fraction=0.25),
        key(validation_seed=1),
    ]
    assert key() == key(seed=5) == key(data=replace(toy.data))
    assert len({key(), *others}) == 5


def test_seeds_differ_by_seed_and_purpose(toy, tmp_path):
    first, again, other = (toy.workspace(tmp_path, seed=seed) for seed in (0, 0, 1))
    purposes = [("graph",), ("clusters", 0), ("clusters", 1), ("tree-0-ranker",), ("tree-1-ranker",)]
    seeds = [work.seed_for(*purpose) for work in (first, other) for purpose in purposes]
    assert len(set(seeds)) == 10
    assert all(0 <= seed < 2**32 for seed in seeds)
    assert [again.seed_for(*purpose) for purpose in purposes] == seeds[:5]


# --- what is kept ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("change", [{"seed": 1}, {"validation_seed": 1}, {"validation_fraction": 0.3}])
def test_matrix_is_computed_once_per_workspace_and_inputs(toy, tmp_path, change):
    calls = []

    def compute():
        calls.append(1)
        return csr_array(np.eye(3, dtype=np.float32) * len(calls))

    def keep(inputs, **changes):
        kept = toy.workspace(tmp_path, **changes).keep_matrix("matrix", inputs, compute)
        return kept.key, kept.value.max()

    assert keep({"size": 3}) == keep({"size": 3})
    assert keep({"size": 3})[1] == 1
    assert keep({"size": 4})[1] == 2
    assert keep({"size": 3}, **change)[1] == 3
    assert len({keep({"size": 3})[0], keep({"size": 4})[0], keep({"size": 3}, **change)[0]}) == 3
    assert len(calls) == 3


def test_arrays_are_computed_once(toy, tmp_path):
    def refuse():
        raise AssertionError("It is stored.")

    stored = {"ids": np.arange(3, dtype=np.int32), "scores": np.ones((2, 2), np.float32)}
    first = toy.workspace(tmp_path).keep_arrays("arrays", {}, lambda: stored)
    again = toy.workspace(tmp_path).keep_arrays("arrays", {}, refuse)
    assert first.key == again.key
    for kept in (first, again):
        assert kept.value.keys() == stored.keys()
        for name, array in stored.items():
            np.testing.assert_array_equal(kept.value[name], array)
            assert kept.value[name].dtype == array.dtype


def keep_task(toy, work, name="surrogate", inputs=None, **changes):
    def build():
        return toy.network().surrogate.build(LabelInputs(work.label_features, toy.graph), 0.05)

    points = AllLabelsDataset(work.train), AllLabelsDataset(work.valid)
    stage = toy.stage(**{"max_epochs": 1, **changes})
    return work.keep_task(name, inputs or {}, stage, build, points, work.label_metrics())


def test_task_is_trained_once_and_then_loaded(toy, tmp_path, monkeypatch):
    trained = keep_task(toy, toy.workspace(tmp_path))

    def refuse(*_, **__):
        raise AssertionError("It is stored.")

    monkeypatch.setattr(Stage, "fit", refuse)
    torch.rand(3)  # what was drawn before makes no difference
    loaded = keep_task(toy, toy.workspace(tmp_path))
    assert loaded.key == trained.key
    assert not trained.value.training
    assert not loaded.value.training
    weights = trained.value.state_dict()
    assert weights.keys() == loaded.value.state_dict().keys()
    assert all(torch.equal(tensor, weights[name]) for name, tensor in loaded.value.state_dict().items())


def test_task_does_not_depend_on_what_came_before(toy, tmp_path):
    first = keep_task(toy, toy.workspace(tmp_path / "a")).value.state_dict()
    torch.manual_seed(4711)
    np.random.default_rng().random()
    second = keep_task(toy, toy.workspace(tmp_path / "b")).value.state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize(
    "change",
    [
        {"lr": 0.01},
        {"max_epochs": 2},
        {"batch_size": 32},
        {"name": "other"},
        {"inputs": {"clusters": "abcd"}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_task_is_another_with_another_stage_name_or_input(toy, tmp_path, change):
    keys = {keep_task(toy, toy.workspace(tmp_path), **changes).key for changes in ({}, change)}
    assert len(keys) == 2


def test_embed_is_the_product_with_the_embeddings(toy):
    encoder = BagOfTokens(toy.data.num_tokens, dim=4)

    found = embed(encoder, toy.data.label_features)

    expected = toy.data.label_features @ encoder.embedding.weight.detach().numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
