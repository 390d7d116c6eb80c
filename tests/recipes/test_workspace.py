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
from xcgraph.recipes.keyed import Keyed
from xcgraph.recipes.workspace import Training, embed
from xcgraph.tasks.label_network import LabelInputs
from xcgraph.training.stage import Stage

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # Lightning's advice


@pytest.fixture
def numbered(toy):
    """The toy dataset; the first token of each training point has the point's number as weight."""
    features = toy.data.train.features.toarray()
    features[:, 0] = np.arange(1, len(features) + 1)
    train = replace(toy.data.train, features=csr_array(features))
    return replace(toy.data, train=train)


def point_numbers(split):
    return split.features.toarray()[:, 0].astype(int).tolist()


# --- the split ------------------------------------------------------------------------------------------


def test_validation_points_are_held_out_from_the_training_points(toy, numbered, tmp_path):
    work = toy.workspace(tmp_path, data=numbered)
    learned, validated = point_numbers(work.train), point_numbers(work.valid)
    assert len(validated) == 40
    assert sorted(learned + validated) == list(range(1, 201))


def test_workspace_does_not_contain_test_points(toy, tmp_path):
    work = toy.workspace(tmp_path)
    shown = {id(value) for value in vars(work).values()}
    assert id(toy.data.test) not in shown
    assert id(toy.data) not in shown
    assert len(work.train) + len(work.valid) == len(toy.data.train)


def test_metadata_covers_only_points_to_train_on(toy, numbered, tmp_path):
    """Each training point is linked to the anchor with its number."""
    numbers = csr_array(np.diag(np.arange(1, 201)).astype(np.float32))
    of_labels = csr_array(np.ones((40, 200), np.float32))
    graph = GraphMetadata(train=numbers, test=csr_array((60, 200), dtype=np.float32), labels=of_labels)
    work = toy.workspace(tmp_path, data=replace(numbered, metadata={"own": graph}))
    assert work.metadata.keys() == {"own"}
    assert work.metadata["own"].train.toarray().max(axis=1).astype(int).tolist() == point_numbers(work.train)
    assert work.metadata["own"].test is None
    assert work.metadata["own"].labels is of_labels


def test_validation_points_depend_on_the_validation_seed_only(toy, numbered, tmp_path):
    def validated(**changes):
        return point_numbers(toy.workspace(tmp_path, data=numbered, **changes).valid)

    assert validated() == validated(seed=7)
    assert validated() != validated(validation_seed=7)
    assert len(validated(validation_fraction=0.1)) == 20


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.5])
def test_validation_fraction_out_of_range_is_refused(toy, tmp_path, fraction):
    with pytest.raises(UserError, match=f"validation_fraction.*{fraction}"):
        toy.workspace(tmp_path, validation_fraction=fraction)


def test_propensities_count_all_training_points(toy, tmp_path):
    work = toy.workspace(tmp_path)
    assert torch.equal(work.inverse_propensity, training_inverse_propensity(toy.data))
    assert work.num_labels == 40
    assert work.label_metrics().top_k == (1, 3, 5)


# --- keys and seeds -------------------------------------------------------------------------------------


def test_data_key_depends_on_data_and_split_only(toy, numbered, tmp_path):
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


def scaled_identity(work, *, size, calls):  # noqa: ARG001
    calls.append(1)
    return csr_array(np.eye(3, dtype=np.float32) * len(calls))


@pytest.mark.parametrize("change", [{"seed": 1}, {"validation_seed": 1}, {"validation_fraction": 0.3}])
def test_matrix_is_computed_once_per_data_seed_and_inputs(toy, tmp_path, change):
    calls = []

    def keep(size, **changes):
        work = toy.workspace(tmp_path, **changes)
        kept = work.keep_matrix("matrix", scaled_identity, size=size, unkeyed={"calls": calls})
        return kept.key, kept.value.max()

    assert keep(3) == keep(3)
    assert keep(3)[1] == 1
    assert keep(4)[1] == 2
    assert keep(3, **change)[1] == 3
    assert len({keep(3)[0], keep(4)[0], keep(3, **change)[0]}) == 3
    assert len(calls) == 3


def return_arrays(work, *, arrays):  # noqa: ARG001
    return arrays


def refuse(work, *, arrays):  # noqa: ARG001
    raise AssertionError("It is stored.")


def test_arrays_are_computed_once(toy, tmp_path):
    stored = {"ids": np.arange(3, dtype=np.int32), "scores": np.ones((2, 2), np.float32)}
    arrays = Keyed(stored, "arrays")
    first = toy.workspace(tmp_path).keep_arrays("arrays", return_arrays, arrays=arrays)
    again = toy.workspace(tmp_path).keep_arrays("arrays", refuse, arrays=arrays)
    assert first.key == again.key
    for kept in (first, again):
        assert kept.value.keys() == stored.keys()
        for name, array in stored.items():
            np.testing.assert_array_equal(kept.value[name], array)
            assert kept.value[name].dtype == array.dtype


def test_derived_value_has_a_key_and_no_artifact(toy, tmp_path):
    def derive(name, key, **changes):
        return toy.workspace(tmp_path, **changes).derive(name, return_arrays, arrays=Keyed({"a": 1}, key))

    first = derive("one", "x")
    assert first.value == {"a": 1}
    assert derive("one", "x").key == first.key
    others = [derive("two", "x"), derive("one", "y"), derive("one", "x", seed=1)]
    assert len({first.key, *(other.key for other in others)}) == 4
    assert list(tmp_path.iterdir()) == []


def make_training(work, *, network, graph, extra):  # noqa: ARG001
    task = network.surrogate.build(LabelInputs(work.label_features, graph), 0.05)
    points = AllLabelsDataset(work.train), AllLabelsDataset(work.valid)
    return Training(task, *points, work.label_metrics())


def keep_task(toy, work, name="surrogate", extra=None, **changes):
    inputs = {"network": toy.network(), "graph": Keyed(toy.graph, "graph"), "extra": extra}
    return work.keep_task(name, make_training, stage=toy.stage(**{"max_epochs": 1, **changes}), **inputs)


def test_task_is_trained_once_and_then_loaded(toy, tmp_path, monkeypatch):
    trained = keep_task(toy, toy.workspace(tmp_path))

    def refuse(*_, **__):
        raise AssertionError("It is stored.")

    monkeypatch.setattr(Stage, "fit", refuse)
    torch.rand(3)  # the global random state must not matter
    loaded = keep_task(toy, toy.workspace(tmp_path))
    assert loaded.key == trained.key
    assert not trained.value.training
    assert not loaded.value.training
    weights = trained.value.state_dict()
    assert weights.keys() == loaded.value.state_dict().keys()
    assert all(torch.equal(tensor, weights[name]) for name, tensor in loaded.value.state_dict().items())


def test_task_does_not_depend_on_global_random_state(toy, tmp_path):
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
        {"extra": {"clusters": "abcd"}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_key_of_a_task_depends_on_stage_name_and_inputs(toy, tmp_path, change):
    keys = {keep_task(toy, toy.workspace(tmp_path), **changes).key for changes in ({}, change)}
    assert len(keys) == 2


def test_embed_is_the_product_with_the_embeddings(toy):
    encoder = BagOfTokens(toy.data.num_tokens, dim=4)

    found = embed(encoder, toy.data.label_features)

    expected = toy.data.label_features @ encoder.embedding.weight.detach().numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
