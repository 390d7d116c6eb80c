from dataclasses import FrozenInstanceError, fields, replace

import pytest
import torch
from pytorch_lightning.utilities import move_data_to_device

from xcgraph.batch import LabelSets, SharedLabels, Shortlist, TokenBag, XCBatch


def make_batch(shortlist=True):
    return XCBatch(
        tokens=TokenBag(torch.tensor([4, 1, 7]), torch.ones(3), torch.tensor([0, 1, 3])),
        labels=LabelSets(torch.tensor([0, 2, 1]), torch.tensor([0, 2, 3])),
        filtered=LabelSets(torch.tensor([], dtype=torch.int64), torch.tensor([0, 0, 0])),
        positives=torch.tensor([[0, 1], [1, 0]]),
        shortlist=Shortlist(torch.tensor([1, 2]), torch.tensor([[0, 1], [1, -1]]), torch.zeros(2, 2))
        if shortlist
        else None,
    )


def tensors_of(part):
    """Yield all tensors of a batch with their names."""
    for field in fields(part):
        value = getattr(part, field.name)
        if isinstance(value, torch.Tensor):
            yield field.name, value
        elif value is not None:
            yield from ((f"{field.name}.{name}", tensor) for name, tensor in tensors_of(value))


@pytest.mark.parametrize("device", ["meta", torch.device("meta")])
def test_to_moves_every_tensor_and_keeps_types(device):
    batch = make_batch()
    moved = batch.to(device, non_blocking=True)
    before, after = dict(tensors_of(batch)), dict(tensors_of(moved))
    assert isinstance(moved, XCBatch)
    assert isinstance(moved.shortlist, Shortlist)
    assert {tensor.device.type for tensor in before.values()} == {"cpu"}
    assert {tensor.device.type for tensor in after.values()} == {"meta"}
    assert len(after) == 11
    assert {name: (t.shape, t.dtype) for name, t in after.items()} == {
        name: (t.shape, t.dtype) for name, t in before.items()
    }


def test_to_keeps_none():
    assert make_batch(shortlist=False).to("meta").shortlist is None


def test_to_keeps_values():
    batch = make_batch()
    moved = dict(tensors_of(batch.to("cpu")))
    assert all(torch.equal(tensor, moved[name]) for name, tensor in tensors_of(batch))


def test_lightning_moves_batches():
    moved = move_data_to_device(make_batch(), torch.device("meta"))
    assert isinstance(moved, XCBatch)
    assert {tensor.device.type for _, tensor in tensors_of(moved)} == {"meta"}


def test_token_bag_is_input_of_embedding_bag():
    tokens = make_batch().tokens
    table = torch.arange(16.0).reshape(8, 2)
    found = torch.nn.functional.embedding_bag(
        tokens.tokens,
        table,
        tokens.offsets,
        mode="sum",
        per_sample_weights=tokens.weights,
        include_last_offset=True,
    )
    assert found.tolist() == [table[4].tolist(), (table[1] + table[7]).tolist()]


def test_len_is_the_number_of_points():
    assert len(make_batch()) == 2


def test_batch_is_frozen():
    with pytest.raises(FrozenInstanceError):
        make_batch().labels = None


@pytest.mark.parametrize("ids", [[1, 0], [0, 0, 2, 1], [2], []])
def test_rows_selects_bags(ids):
    bag = TokenBag(torch.tensor([4, 1, 7]), torch.tensor([0.5, 1.0, 2.0]), torch.tensor([0, 1, 1, 3]))
    texts = [([4], [0.5]), ([], []), ([1, 7], [1.0, 2.0])]
    found = bag.rows(torch.tensor(ids, dtype=torch.int64))
    assert found.tokens.tolist() == [token for row in ids for token in texts[row][0]]
    assert found.weights.tolist() == [weight for row in ids for weight in texts[row][1]]
    assert found.offsets.diff().tolist() == [len(texts[row][0]) for row in ids]
    assert found.offsets[0] == 0


def test_label_ids_and_weights_of_each_kind_of_batch():
    full, shortlisted = make_batch(shortlist=False), make_batch()
    shared = replace(full, shared=SharedLabels(torch.tensor([0, 5]), torch.tensor([1.0, 8.0])))
    assert [batch.label_ids is None for batch in (full, shortlisted, shared)] == [True, False, False]
    assert (shortlisted.label_ids.tolist(), shared.label_ids.tolist()) == ([1, 2], [0, 5])
    assert full.label_weights is shortlisted.label_weights is None
    assert shared.to("cpu").label_weights.tolist() == [1, 8]
    assert {tensor.device.type for _, tensor in tensors_of(shared.to("meta"))} == {"meta"}
