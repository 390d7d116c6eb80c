import io
from copy import deepcopy

import pytest
import torch
from torch import nn
from torch.optim import Adam, SparseAdam
from torch.optim.lr_scheduler import LambdaLR

from xcgraph.errors import UserError
from xcgraph.optim import HalvingSchedule, LinearSchedule, SparseDenseAdam

OPTIONS = {"lr": 0.1, "betas": (0.8, 0.95)}


class Model(nn.Module):
    """Two tables with sparse gradients, a dense table, a dense layer and a frozen table."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.sparse = nn.Embedding(9, 4, sparse=True)
        self.sparse_bag = nn.EmbeddingBag(9, 4, mode="sum", sparse=True)
        self.dense = nn.Embedding(9, 4)
        self.frozen = nn.Embedding(9, 4, sparse=True).requires_grad_(False)
        self.linear = nn.Linear(4, 2)

    def forward(self, ids):
        vectors = self.sparse(ids) + self.sparse_bag(ids[:, None]) + self.dense(ids) + self.frozen(ids)
        return self.linear(vectors.tanh()).square().sum()


def train(model, optimizers, steps, scheduler=None):
    """Train for some steps, each with its own ids, and return the losses."""
    losses = []
    for step in steps:
        ids = torch.randint(0, 9, (3,), generator=torch.Generator().manual_seed(step))
        model.zero_grad()
        loss = model(ids)
        loss.backward()
        losses.append(loss.item())
        for optimizer in optimizers:
            optimizer.step()
        if scheduler is not None:
            scheduler.step()
    return losses


def reload(state):
    """Save and load a state, like a checkpoint."""
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def assert_same_bits(one, other):
    other = other.state_dict()
    assert all(torch.equal(value, other[name]) for name, value in one.state_dict().items())


def test_optimizer_equals_two_separate_optimizers():
    one, two = Model(), Model()
    dense = Adam([*two.dense.parameters(), *two.linear.parameters()], **OPTIONS, fused=True)
    sparse = SparseAdam([*two.sparse.parameters(), *two.sparse_bag.parameters()], **OPTIONS)
    both = SparseDenseAdam(one, **OPTIONS)
    for step in range(20):
        assert train(one, [both], [step]) == train(two, [dense, sparse], [step])
        assert_same_bits(one, two)


def test_all_but_frozen_parameters_are_trained():
    model, before = Model(), Model()
    losses = train(model, [SparseDenseAdam(model, lr=0.1)], range(30))
    assert losses[-1] < 0.1 * losses[0]
    same = {
        name for name, value in model.named_parameters() if torch.equal(value, before.get_parameter(name))
    }
    assert same == {"frozen.weight"}


@pytest.mark.parametrize(
    ("module", "expected"), [(nn.Linear(4, 2), Adam), (nn.Embedding(9, 4, sparse=True), SparseAdam)]
)
def test_optimizer_accepts_one_kind_of_parameters(module, expected):
    one, two = deepcopy(module), deepcopy(module)
    ids = torch.tensor([1, 3]) if expected is SparseAdam else torch.randn(3, 4)
    optimizers = SparseDenseAdam(one, lr=0.1), expected(two.parameters(), lr=0.1)
    for _ in range(3):
        for part, optimizer in zip((one, two), optimizers, strict=True):
            optimizer.zero_grad()
            part(ids).square().sum().backward()
            optimizer.step()
    assert [len(optimizer.param_groups) for optimizer in optimizers] == [1, 1]
    for found, wanted in zip(one.parameters(), two.parameters(), strict=True):
        torch.testing.assert_close(found, wanted)


def test_module_without_trained_parameters_is_refused():
    with pytest.raises(ValueError, match="empty parameter list"):
        SparseDenseAdam(Model().requires_grad_(False), lr=0.1)


def test_resumed_run_ends_with_equal_bits():
    uninterrupted = Model()
    train(uninterrupted, [SparseDenseAdam(uninterrupted, **OPTIONS)], range(10))

    interrupted = Model()
    optimizer = SparseDenseAdam(interrupted, **OPTIONS)
    train(interrupted, [optimizer], range(6))
    states = reload((interrupted.state_dict(), optimizer.state_dict()))
    resumed = Model()
    optimizer = SparseDenseAdam(resumed, lr=99.0)
    resumed.load_state_dict(states[0])
    optimizer.load_state_dict(states[1])
    train(resumed, [optimizer], range(6, 10))

    assert_same_bits(resumed, uninterrupted)


def test_resumed_run_ends_with_equal_bits_under_a_scheduler():
    def begin():
        model = Model()
        optimizer = SparseDenseAdam(model, **OPTIONS)
        return model, optimizer, LambdaLR(optimizer, lambda step: 0.7**step)

    uninterrupted, optimizer, scheduler = begin()
    train(uninterrupted, [optimizer], range(10), scheduler)

    interrupted = begin()
    train(interrupted[0], [interrupted[1]], range(6), interrupted[2])
    states = reload([part.state_dict() for part in interrupted])
    resumed = begin()
    for part, state in zip(resumed, states, strict=True):
        part.load_state_dict(state)
    train(resumed[0], [resumed[1]], range(6, 10), resumed[2])

    assert_same_bits(resumed[0], uninterrupted)


def test_scheduler_changes_both_learning_rates():
    model = Model()
    optimizer = SparseDenseAdam(model, lr=0.1)
    scheduler = LambdaLR(optimizer, lambda step: 1.0 if step == 0 else 0.0)
    assert [group["lr"] for group in optimizer.param_groups] == [0.1, 0.1]
    train(model, [optimizer], [0], scheduler)
    assert [group["lr"] for group in optimizer.param_groups] == [0, 0]
    before = deepcopy(model)
    train(model, [optimizer], range(3))
    assert_same_bits(model, before)


def test_state_covers_every_trained_parameter():
    model = Model()
    optimizer = SparseDenseAdam(model, lr=0.1)
    train(model, [optimizer], [0])
    trained = {id(parameter) for parameter in model.parameters() if parameter.requires_grad}
    assert {id(parameter) for parameter in optimizer.state} == trained
    optimizer.zero_grad()
    assert all(parameter.grad is None for parameter in model.parameters())


def test_step_accepts_a_closure():
    one, two = Model(), Model()
    optimizer = SparseDenseAdam(one, lr=0.1)
    ids = torch.randint(0, 9, (3,), generator=torch.Generator().manual_seed(0))

    def closure():
        loss = one(ids)
        loss.backward()
        return loss

    with torch.no_grad():
        loss = optimizer.step(closure)
    assert loss.item() == train(two, [SparseDenseAdam(two, lr=0.1)], [0])[0]
    assert_same_bits(one, two)


@pytest.mark.parametrize(
    ("epoch", "factor"),
    [(0, 1), (9.99, 1), (10, 0.5), (14.99, 0.5), (15, 0.25), (19.99, 0.25), (20, 0.125)],
)
def test_halving_schedule_factors(epoch, factor):
    assert HalvingSchedule(every_epochs=5)(float(epoch), 20) == factor


def test_halving_schedule_of_odd_and_short_stages():
    assert [HalvingSchedule(every_epochs=1)(float(epoch), 5) for epoch in range(5)] == [
        1,
        1,
        0.5,
        0.25,
        0.125,
    ]
    assert [HalvingSchedule()(float(epoch), 2) for epoch in range(2)] == [1, 0.5]


@pytest.mark.parametrize(
    ("epoch", "factor"), [(0, 0), (1, 0.5), (2, 1), (6, 0.5), (9.5, 0.0625), (10, 0), (11, 0)]
)
def test_linear_schedule_factors(epoch, factor):
    assert LinearSchedule(warmup_epochs=2.0)(float(epoch), 10) == pytest.approx(factor)


def test_linear_schedule_without_warmup_starts_full():
    assert [LinearSchedule()(float(epoch), 4) for epoch in range(5)] == [1, 0.75, 0.5, 0.25, 0]


@pytest.mark.parametrize("warmup", [4.0, 5.0])
def test_linear_schedule_refuses_warmup_over_all_epochs(warmup):
    with pytest.raises(UserError, match=rf"schedule\.warmup_epochs={warmup} .*max_epochs, 4"):
        LinearSchedule(warmup_epochs=warmup)(0.0, 4)
    assert LinearSchedule(warmup_epochs=3.9)(3.9, 4) == 1


def test_schedules_refuse_values_out_of_range():
    with pytest.raises(UserError, match=r"schedule\.every_epochs must be ≥ 1, got 0"):
        HalvingSchedule(every_epochs=0)
    with pytest.raises(UserError, match=r"schedule\.warmup_epochs must be ≥ 0, got -0\.5"):
        LinearSchedule(warmup_epochs=-0.5)
