from copy import deepcopy

import pytest
import torch
from torch import nn
from torch.optim import SparseAdam

from xcgraph import row_blocks
from xcgraph.row_adam import RowAdam

# Ascending, unordered, repeated, no ids, all ids, and a repetition at the ends.
IDS = [[0, 3, 8], [5, 1], [2, 7, 2, 2], [], list(range(9)), [8, 0, 8]]


@pytest.mark.parametrize("block", [1, 8, 1 << 17])
def test_row_adam_equals_torch_bit_by_bit(monkeypatch, block):
    monkeypatch.setattr(row_blocks, "_BLOCK", block)
    torch.manual_seed(0)
    one = nn.Embedding(9, 4, sparse=True)
    two = deepcopy(one)
    options = {"lr": 0.1, "betas": (0.8, 0.95), "eps": 1e-3}
    mine, theirs = RowAdam(one.parameters(), **options), SparseAdam(two.parameters(), **options)
    for ids in IDS:
        weights = torch.randn(len(ids), 4)
        for table, optimizer in ((one, mine), (two, theirs)):
            optimizer.zero_grad()
            (table(torch.tensor(ids, dtype=torch.int64)) * weights).sum().backward()
            optimizer.step()
        assert torch.equal(one.weight, two.weight)
        for name, value in theirs.state[two.weight].items():
            assert torch.equal(torch.as_tensor(mine.state[one.weight][name]), torch.as_tensor(value)), name


def test_table_without_gradient_does_not_change():
    table = nn.Embedding(9, 4, sparse=True)
    before = table.weight.detach().clone()
    RowAdam(table.parameters(), lr=0.1).step()
    assert torch.equal(table.weight, before)


def test_step_accepts_a_closure():
    table = nn.Embedding(9, 4, sparse=True)
    optimizer = RowAdam(table.parameters(), lr=0.1)

    def closure():
        loss = table(torch.tensor([2])).square().sum()
        loss.backward()
        return loss

    before = closure().item()
    optimizer.zero_grad()
    with torch.no_grad():
        assert optimizer.step(closure).item() == before
    assert closure().item() < before
